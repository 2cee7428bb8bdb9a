using System.Text.Json;
using ConcertSaga.AllInOne.Tickets;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tickets;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Tokens;

namespace ConcertSaga.AllInOne.Tests.Tickets;

/// <summary>The verifier accepts what the orchestrator signs, and nothing else.</summary>
public sealed class TicketVerifierTests : IDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 12, 24, 18, 30, 0, TimeSpan.Zero);

    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-tickets-").FullName;
    private readonly TicketKeys _keys;
    private readonly Reservation _row = new()
    {
        CorrelationId = Guid.CreateVersion7(),
        UserId = "mina",
        ScheduleId = 31,
        SeatNumbers = [7, 8]
    };

    public TicketVerifierTests() => _keys = CreateKeys("tickets.pem");

    private string Code => TicketCode.Write(_row, Start, _keys.Signing!);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Verify_AValidTicket_SaysForWhomAndWhichSeats()
    {
        var holder = TicketCode.HolderOf(_row, _keys.Signing!);
        var text = $"valid: holder {holder}, seats 7, 8 of schedule 31, start 2026-12-24T18:30Z, reservation {_row.CorrelationId}";

        Assert.Equal(new TicketVerdict(true, $"{text}; cancellations were not checked."), await VerifyAsync(Code));
        Assert.Equal(new TicketVerdict(true, $"{text}."), await VerifyAsync($" {Code}\n", Revoked(31, Guid.CreateVersion7())));
    }

    [Fact]
    public async Task Verify_ACancelledTicket_IsRejected() => Assert.Equal(
        new TicketVerdict(false, $"rejected: reservation {_row.CorrelationId} was cancelled."),
        await VerifyAsync(Code, Revoked(31, Guid.CreateVersion7(), _row.CorrelationId)));

    [Fact]
    public async Task Verify_ATicketOfAnotherSchedule_IsRejected() => Assert.Equal(
        new TicketVerdict(false, "rejected: the ticket is for schedule 31, and the list of revoked tickets is of schedule 32."),
        await VerifyAsync(Code, Revoked(32)));

    [Fact]
    public async Task Verify_ATicketOfAnotherKey_IsRejected()
    {
        var code = TicketCode.Write(_row, Start, CreateKeys("others.pem").Signing!);
        Assert.StartsWith("rejected: its key is unknown", (await VerifyAsync(code)).Text, StringComparison.Ordinal);
        // It claims to be of the known key.
        var forged = TicketCode.Write(_row, Start, CreateKeys("others.pem").Signing! with { Kid = _keys.Signing!.Kid });
        Assert.StartsWith("rejected: the signature is wrong", (await VerifyAsync(forged)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verify_ATicketWithAnyOtherCharacter_IsRejected()
    {
        var code = Code;
        for (var i = 0; i < code.Length; i++)
        {
            // The last character of a part also has bits without a meaning, which A and Q do not change.
            var altered = code[..i] + (code[i] is >= 'A' and <= 'D' ? 'x' : 'A') + code[(i + 1)..];
            Assert.False((await VerifyAsync(altered)).IsValid, $"{i}: {altered}");
        }
        foreach (var part in new[] { code[..code.LastIndexOf('.')], code + "A", code.Replace(".", "", StringComparison.Ordinal) })
            Assert.False((await VerifyAsync(part)).IsValid, part);
    }

    [Theory]
    [InlineData("pass+jwt", "ES256")]
    [InlineData("ticket", "none")]
    [InlineData("ticket", "HS256")]
    [InlineData("JWT", "ES256")]
    public async Task Verify_AnotherKindOfToken_IsRejected(string type, string algorithm)
    {
        var key = _keys.Signing!;
        var token = CompactJws.Write(
            header =>
            {
                header.WriteString("alg", algorithm);
                header.WriteString("typ", type);
                header.WriteString("kid", key.Kid);
            },
            claims =>
            {
                claims.WriteString("jti", TicketCode.IdOf(_row.CorrelationId));
                claims.WriteString("sub", "A3F0-91BC");
                claims.WriteNumber("schedule", 31);
                claims.WriteNumber("start", 1);
                claims.WriteStartArray("seats");
                claims.WriteEndArray();
            },
            data => algorithm == "none" ? [] : CompactJws.SignEs256(key.PrivateKey, data));

        Assert.StartsWith("rejected: ", (await VerifyAsync(token)).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ticket")]
    [InlineData("..")]
    [InlineData("a.b.c")]
    [InlineData("https://example.com/")]
    public async Task Verify_AnyOtherText_IsRejected(string text) =>
        Assert.Equal("rejected: the code is not of a ticket.", (await VerifyAsync(text)).Text);

    /// <summary>Its signature is right, but it lacks claims.</summary>
    [Fact]
    public async Task Verify_ATicketWithoutSeats_IsRejected()
    {
        var key = _keys.Signing!;
        var token = CompactJws.Write(
            header =>
            {
                header.WriteString("alg", "ES256");
                header.WriteString("typ", TicketCode.Type);
                header.WriteString("kid", key.Kid);
            },
            claims => claims.WriteString("jti", TicketCode.IdOf(_row.CorrelationId)), data => CompactJws.SignEs256(key.PrivateKey, data));

        Assert.Equal("rejected: the code is not of a ticket.", (await VerifyAsync(token)).Text);
    }

    [Theory]
    [InlineData("nonsense", null, "--keys is not a JSON Web Key Set")]
    [InlineData("{\"keys\":[]}", null, "--keys has no key")]
    [InlineData(null, "nonsense", "--revoked is not a list")]
    [InlineData(null, "{\"keys\":[]}", "--revoked is not a list")]
    public void Create_FromOtherFiles_IsRefused(string? keys, string? revoked, string says)
    {
        var failure = Assert.Throws<StartupException>(() => TicketVerifier.Create(keys ?? Json(_keys.Published), revoked));
        Assert.Contains(says, failure.Message, StringComparison.Ordinal);
        Assert.Contains("; allowed: the answer of GET /api/tickets/", failure.Message, StringComparison.Ordinal);
    }

    private static string Revoked(int scheduleId, params Guid[] reservations) =>
        Json(new RevokedTickets(scheduleId, [.. reservations.Select(TicketCode.IdOf)]));

    private static string Json<T>(T value) => JsonSerializer.Serialize(value, JsonSerializerOptions.Web);

    private TicketKeys CreateKeys(string name)
    {
        var file = Path.Combine(_folder, name);
        TicketKeys.CreateFile(file);
        return TicketKeys.Read(file);
    }

    private Task<TicketVerdict> VerifyAsync(string code, string? revoked = null) =>
        TicketVerifier.Create(Json(_keys.Published), revoked).VerifyAsync(code);
}
