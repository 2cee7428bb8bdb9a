using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Orchestrator.Tickets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Orchestrator.Tests.Tickets;

/// <summary><c>GET /api/reservations/{id}/ticket</c> and <c>/api/tickets</c>.</summary>
public sealed class TicketEndpointsTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("concertsaga-tickets-").FullName;
    private OrchestratorHost _host = null!;
    private WebApplication _seats = null!;
    private Func<IResult> _answer = () => Results.NotFound();

    public async ValueTask InitializeAsync()
    {
        var keyFile = Path.Combine(_folder, "tickets.pem");
        TicketKeys.CreateFile(keyFile);
        _host = await OrchestratorHost.StartAsync($"--Tickets:KeyFile={keyFile}");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        _seats = builder.Build();
        _seats.Urls.Add("http://127.0.0.1:0");
        _seats.MapGet("/internal/schedules/{id:int}", (int id) => _answer());
        await _seats.StartAsync();
        _host.Get<IOptions<ReservationOptions>>().Value.SeatsAddress = new Uri(_seats.Urls.Single());
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _seats.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Ticket_OfAConfirmedReservation_IsSignedByThePublishedKey()
    {
        var user = _host.User();
        var id = await BuyAsync(user);

        var ticket = (await user.GetAsync($"/api/reservations/{id}/ticket")).Is(200);

        var parts = ticket.Text("code")!.Split('.');
        var header = Decode(parts[0]);
        Assert.Equal(("ES256", "ticket", ticket.Text("keyId")),
            (header.GetProperty("alg").GetString(), header.GetProperty("typ").GetString(), header.GetProperty("kid").GetString()));
        var claims = Decode(parts[1]);
        Assert.Equal(["jti", "schedule", "seats", "start", "sub"],
            claims.EnumerateObject().Select(claim => claim.Name).Order(StringComparer.Ordinal));
        Assert.Equal(id, TicketCode.ReservationOf(claims.GetProperty("jti").GetString()!));
        Assert.Equal((ticket.Text("holder"), 31, Machine.Start.AddDays(30).ToUnixTimeSeconds()),
            (claims.GetProperty("sub").GetString(), claims.GetProperty("schedule").GetInt32(), claims.GetProperty("start").GetInt64()));
        Assert.Equal([7, 8], claims.GetProperty("seats").EnumerateArray().Select(seat => seat.GetInt32()));
        Assert.DoesNotContain(user.Id, claims.GetRawText(), StringComparison.Ordinal);
        // A QR code of version 12 takes 287 bytes at the medium level of correction.
        Assert.InRange(ticket.Text("code")!.Length, 200, 287);

        using var anonymous = _host.Client(null);
        using var answer = await anonymous.GetAsync("/api/tickets/keys");
        Assert.Equal((true, TimeSpan.FromMinutes(5)), (answer.Headers.CacheControl!.Public, answer.Headers.CacheControl.MaxAge));
        var key = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("keys").EnumerateArray().Single();
        Assert.Equal((ticket.Text("keyId"), "EC", "P-256", "ES256", "sig"), (key.GetProperty("kid").GetString(),
            key.GetProperty("kty").GetString(), key.GetProperty("crv").GetString(), key.GetProperty("alg").GetString(),
            key.GetProperty("use").GetString()));
        Assert.Equal(7, key.EnumerateObject().Count());
        using var ecdsa = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new ECPoint { X = Bytes(key.GetProperty("x").GetString()!), Y = Bytes(key.GetProperty("y").GetString()!) }
        });
        Assert.True(ecdsa.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), Bytes(parts[2]), HashAlgorithmName.SHA256));
    }

    [Fact]
    public async Task Ticket_ThatTheCallerHasNot_IsRefused()
    {
        var (user, other) = (_host.User(), _host.User());
        var held = await user.HoldAsync();
        (await user.GetAsync($"/api/reservations/{held}/ticket")).Is(409, "CONFLICT").Has("AwaitingPayment");
        (await user.PayAsync(held)).Is(200);
        (await other.GetAsync($"/api/reservations/{held}/ticket")).Is(404, "RESERVATION_NOT_FOUND");
        (await other.GetAsync($"/api/reservations/{Guid.CreateVersion7()}/ticket")).Is(404, "RESERVATION_NOT_FOUND");
        (await user.GetAsync($"/api/reservations/{held}/ticket")).Is(200);
        (await user.CancelAsync(held)).Is(200);
        (await user.GetAsync($"/api/reservations/{held}/ticket")).Is(409, "CONFLICT").Has("Cancelled");
    }

    [Fact]
    public async Task Holder_OfACustomer_IsTheSameForOneScheduleOnly()
    {
        var (user, other) = (_host.User(), _host.User());
        var holders = new List<string>();
        foreach (var (buyer, schedule) in new[] { (user, 31), (user, 31), (user, 32), (other, 31) })
            holders.Add((await buyer.GetAsync($"/api/reservations/{await BuyAsync(buyer, schedule)}/ticket")).Is(200).Text("holder")!);

        Assert.Equal(holders[0], holders[1]);
        Assert.Equal(3, holders.Distinct().Count());
        Assert.All(holders, holder => Assert.Matches("^[0-9A-F]{4}-[0-9A-F]{4}$", holder));
    }

    [Fact]
    public async Task Ticket_OfAMovedSchedule_HasTheNewStartAndTheTimeZone()
    {
        var user = _host.User();
        var id = await BuyAsync(user);
        var moved = Machine.Start.AddDays(40);
        _answer = () => Results.Json(new
        {
            startsAt = moved.ToOffset(TimeSpan.FromHours(9)),
            title = "Lights",
            venue = "Hall",
            timeZone = "Asia/Seoul"
        });

        var ticket = (await user.GetAsync($"/api/reservations/{id}/ticket")).Is(200);

        Assert.Equal((moved, "Lights", "Hall", "Asia/Seoul"),
            (ticket.Body.GetProperty("startsAt").GetDateTimeOffset(), ticket.Text("title"), ticket.Text("venue"), ticket.Text("timeZone")));
        Assert.EndsWith("+00:00", ticket.Text("startsAt")!, StringComparison.Ordinal);
        Assert.Equal(moved.ToUnixTimeSeconds(), Decode(ticket.Text("code")!.Split('.')[1]).GetProperty("start").GetInt64());
    }

    [Fact]
    public async Task Revoked_PaidReservationsBeingCancelled_AreListed()
    {
        var user = _host.User();
        var (kept, cancelled, elsewhere) = (await BuyAsync(user), await BuyAsync(user), await BuyAsync(user, 32));
        var unpaid = await user.HoldAsync();
        (await user.CancelAsync(unpaid)).Is(200);
        using var door = _host.Client(null);
        using var before = await door.GetAsync("/api/tickets/revoked/31");
        Assert.Empty(await ReadAsync(before));

        (await user.CancelAsync(elsewhere)).Is(200);
        // The points are not back yet, so the reservation is still being cancelled.
        user.Script.Refund = _ => null;
        (await user.CancelAsync(cancelled, prefer: "wait=0")).Is(202);
        await Testing.Eventually.TrueAsync(async () => (await _host.RowAsync(cancelled)).CurrentState == "RefundingPoints",
            TimeSpan.FromSeconds(60), "the points are being refunded");

        door.DefaultRequestHeaders.Add("If-None-Match", before.Headers.ETag!.ToString());
        using var after = await door.GetAsync("/api/tickets/revoked/31");
        Assert.Equal([TicketCode.IdOf(cancelled)], await ReadAsync(after));
        Assert.NotEqual(TicketCode.IdOf(kept), TicketCode.IdOf(cancelled));
        door.DefaultRequestHeaders.Remove("If-None-Match");
        door.DefaultRequestHeaders.Add("If-None-Match", after.Headers.ETag!.ToString());
        using var same = await door.GetAsync("/api/tickets/revoked/31");
        Assert.Equal(304, (int)same.StatusCode);
        Assert.Equal(after.Headers.ETag, same.Headers.ETag);
    }

    [Fact]
    public async Task Tickets_WithoutAKeyFile_AreNotIssued()
    {
        await using var host = await OrchestratorHost.StartAsync();
        var user = host.User();
        var id = await BuyAsync(user);

        (await user.GetAsync($"/api/reservations/{id}/ticket")).Is(404, "NOT_FOUND");
        Assert.Equal(0, (await user.GetAsync("/api/tickets/keys")).Is(200).Body.GetProperty("keys").GetArrayLength());
    }

    private static async Task<Guid> BuyAsync(User user, int scheduleId = 31) =>
        (await user.ReserveAsync(new { scheduleId, seatNumbers = new[] { 7, 8 }, pay = true }, prefer: "wait=10")).Is(201).Has("Confirmed")
            .ReservationId;

    private static async Task<string[]> ReadAsync(HttpResponseMessage response)
    {
        Assert.Equal(200, (int)response.StatusCode);
        var body = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal(31, body.GetProperty("scheduleId").GetInt32());
        return [.. body.GetProperty("tickets").EnumerateArray().Select(ticket => ticket.GetString()!)];
    }

    private static JsonElement Decode(string part) => JsonDocument.Parse(Bytes(part)).RootElement;

    private static byte[] Bytes(string text) => Base64Url.DecodeFromChars(text);
}
