using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ConcertSaga.DevReceiver;
using ConcertSaga.Testing.Processes;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace ConcertSaga.Testing.Tests;

/// <summary>The development receiver is as strict as a real platform, and simulates faults only on request.</summary>
public sealed class ReceiverTests : IDisposable
{
    private const string Project = "DevReceiver";

    private static readonly DateTimeOffset Start = new(2030, 5, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly string _secret = WebhookSecret.Create();
    private readonly FakeTimeProvider _clock = new(Start);
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false });

    public void Dispose() => _http.Dispose();

    [Fact]
    public async Task Event_SignedAndRepeated_IsAcceptedOnceAndCounted()
    {
        await using var receiver = await StartAsync();
        var (id, reservation) = (Id(), Guid.CreateVersion7());

        Assert.Equal(HttpStatusCode.NoContent, await SendAsync(receiver, id, Body(reservation, 1)));
        Assert.Equal(HttpStatusCode.NoContent, await SendAsync(receiver, id, Body(reservation, 1)));

        var report = await _http.GetFromJsonAsync<ReceivedReport>(new Uri(receiver.Address, "/received?last=5"));
        Assert.Equal((1, 1, 0, 0), (report!.Count, report.Repeats, report.Failed, report.OutOfOrder));
        var last = Assert.Single(report.Last);
        Assert.Equal(new ReceivedEvent(id, "reservation.confirmed", reservation, 1, Start, 2), last.Event);
        Assert.Equal(reservation, last.Body!.Value.GetProperty("data").GetProperty("reservationId").GetGuid());
        Assert.Equal([last.Event],
            (await _http.GetFromJsonAsync<List<ReceivedEvent>>(new Uri(receiver.Address, $"/received/{reservation}")))!);
    }

    /// <summary>The example of the Standard Webhooks documentation, with its published signature.</summary>
    [Fact]
    public void Signature_OfThePublishedExample_IsValid()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.FromUnixTimeSeconds(1_614_265_330));
        var signatures = new WebhookSignatures(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], clock);

        Assert.Null(signatures.FindFault("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            """{"test": 2432232314}"""u8));
    }

    [Theory]
    [InlineData("webhook-id", "other")]
    [InlineData("webhook-id", "")]
    [InlineData("webhook-timestamp", "")]
    [InlineData("webhook-timestamp", "soon")]
    [InlineData("webhook-timestamp", "-5")]
    [InlineData("webhook-timestamp", "99999999999999999")]
    [InlineData("webhook-signature", "")]
    [InlineData("webhook-signature", "v1,")]
    [InlineData("webhook-signature", "v1,!")]
    [InlineData("webhook-signature", "v1,AAAA")]
    [InlineData("webhook-signature", "v1a,{0}")]
    [InlineData("webhook-signature", "{0}")]
    [InlineData("webhook-signature", "v1,{0}x")]
    public async Task Event_WithAnInvalidHeader_IsRefused(string header, string value)
    {
        await using var receiver = await StartAsync();
        var (id, body) = (Id(), Body(Guid.CreateVersion7(), 1));
        var headers = Headers(id, body, _secret, Start);
        headers[header] = value.Replace("{0}", headers["webhook-signature"]["v1,".Length..], StringComparison.Ordinal);

        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(receiver, body, headers));

        Assert.Equal((0, 1), (receiver.Report().Count, receiver.Report().Refused.Values.Sum()));
    }

    [Theory]
    [InlineData(-300, true)]
    [InlineData(300, true)]
    [InlineData(-301, false)]
    [InlineData(301, false)]
    public async Task Event_SignedAtAnotherTime_IsAcceptedWithinFiveMinutes(int seconds, bool isAccepted)
    {
        await using var receiver = await StartAsync();
        var (id, body) = (Id(), Body(Guid.CreateVersion7(), 1));

        Assert.Equal(isAccepted ? HttpStatusCode.NoContent : HttpStatusCode.Unauthorized,
            await SendAsync(receiver, body, Headers(id, body, _secret, Start.AddSeconds(seconds))));
    }

    [Fact]
    public async Task Event_SignedWithSeveralSecrets_IsAcceptedIfOneIsKnown()
    {
        var second = WebhookSecret.Create();
        await using var receiver = await Receiver.StartAsync(new ReceiverOptions { Secrets = [_secret, second], Clock = _clock });
        var (id, body, stranger) = (Id(), Body(Guid.CreateVersion7(), 1), WebhookSecret.Create());
        string Signed(params string[] secrets) =>
            string.Join(' ', secrets.Select(secret => Headers(id, body, secret, Start)["webhook-signature"]));
        async Task<HttpStatusCode> With(string signatures)
        {
            var headers = Headers(id, body, _secret, Start);
            headers["webhook-signature"] = signatures;
            return await SendAsync(receiver, body, headers);
        }

        Assert.Equal(HttpStatusCode.NoContent, await With(Signed(stranger, second)));
        Assert.Equal(HttpStatusCode.NoContent, await With($"v2,whatever {Signed(_secret)}"));
        Assert.Equal(HttpStatusCode.Unauthorized, await With(Signed(stranger)));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(receiver, body + " ", Headers(id, body, _secret, Start)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("""{"type":"x","data":{}}""")]
    [InlineData("""{"type":"x","timestamp":7,"data":{}}""")]
    [InlineData("""{"type":"x","timestamp":"2030-05-01T12:00:00Z"}""")]
    public async Task Body_ThatIsNotAnEvent_IsRefused(string body)
    {
        await using var receiver = await StartAsync();
        Assert.Equal(HttpStatusCode.BadRequest, await SendAsync(receiver, Id(), body));
    }

    [Fact]
    public async Task Events_OfAReservation_AreOutOfOrderIfTheSecondArrivesFirst()
    {
        await using var receiver = await StartAsync();
        var inOrder = Guid.CreateVersion7();
        var outOfOrder = Guid.CreateVersion7();
        var older = Guid.CreateVersion7();
        await SendAsync(receiver, Id(), Body(inOrder, 1));
        await SendAsync(receiver, Id(), Body(inOrder, 2));
        Assert.Equal(0, receiver.Report().OutOfOrder);

        await SendAsync(receiver, Id(), Body(outOfOrder, 2));
        await SendAsync(receiver, Id(), Body(outOfOrder, 1));
        Assert.Equal((1, 0), (receiver.Report().OutOfOrder, receiver.Report().Undecided));
        Assert.Equal([2, 1], receiver.EventsOf(outOfOrder).Select(received => received.Sequence));

        // An earlier receiver may have received the first event.
        await SendAsync(receiver, Id(), Body(older, 2, Start.AddSeconds(-1)));
        Assert.Equal((1, 1), (receiver.Report().OutOfOrder, receiver.Report().Undecided));
    }

    [Fact]
    public async Task Memory_WhenFull_ForgetsTheOldest()
    {
        await using var receiver = await Receiver.StartAsync(new ReceiverOptions { Secrets = [_secret], Clock = _clock, Remembered = 3 });
        var reservations = Enumerable.Range(0, 5).Select(_ => Guid.CreateVersion7()).ToArray();
        foreach (var reservation in reservations)
            await SendAsync(receiver, Id(), Body(reservation, 1));

        var report = receiver.Report(10);
        Assert.Equal((5, 2, 3), (report.Count, report.Forgotten, report.Last.Count));
        Assert.Equal([0, 0, 1, 1, 1], reservations.Select(reservation => receiver.EventsOf(reservation).Count));
        Assert.Equal(reservations[4], report.Last[0].Event.ReservationId);
    }

    [Theory]
    [InlineData(503, 3, false, "3")]
    [InlineData(429, 3, true, "Wed, 01 May 2030 12:00:03 GMT")]
    [InlineData(410, null, false, null)]
    [InlineData(307, null, false, null)]
    public async Task Behaviour_Failing_AnswersAsConfigured(int status, int? retryAfter, bool asDate, string? expected)
    {
        await using var receiver = await StartAsync();
        var (id, body) = (Id(), Body(Guid.CreateVersion7(), 1));
        receiver.Behaviour = new Behaviour { FailRate = 1, Status = status, RetryAfter = retryAfter, RetryAfterAsDate = asDate };

        using var request = Request(receiver, body, Headers(id, body, _secret, Start));
        using var answer = await _http.SendAsync(request);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal(expected, answer.Headers.TryGetValues("Retry-After", out var values) ? values.Single() : null);
        Assert.Equal(status == 307, answer.Headers.Location is not null);
        Assert.Equal((0, 1), (receiver.Report().Count, receiver.Report().Failed));
    }

    [Fact]
    public async Task Behaviour_Resetting_AcceptsHalfOfTheEvents()
    {
        await using var receiver = await Receiver.StartAsync(
            new ReceiverOptions { Secrets = [_secret], Clock = _clock, Seed = 7, Behaviour = new Behaviour { ResetRate = 1 } });
        for (var i = 0; i < 40; i++)
            await Assert.ThrowsAsync<HttpRequestException>(() => SendAsync(receiver, Id(), Body(Guid.CreateVersion7(), 1)));

        Assert.Equal(40, receiver.Report().Reset);
        Assert.InRange(receiver.Report().Count, 5, 35);
    }

    [Fact]
    public async Task Behaviour_Delaying_AnswersAfterTheDelay()
    {
        await using var receiver = await StartAsync();
        receiver.Behaviour = new Behaviour { Delay = TimeSpan.FromMinutes(1) };
        var sent = SendAsync(receiver, Id(), Body(Guid.CreateVersion7(), 1));
        await Eventually.TrueAsync(
            () =>
            {
                _clock.Advance(TimeSpan.FromSeconds(20));
                return sent.IsCompleted;
            }, TimeSpan.FromSeconds(60), "the receiver answers");
        Assert.True(_clock.GetUtcNow() >= Start.AddMinutes(1));
    }

    [Fact]
    public async Task Behaviour_ChangedWhileRunning_KeepsOmittedMembers()
    {
        await using var receiver = await StartAsync();
        var address = new Uri(receiver.Address, "/behaviour");

        using var changed = await _http.PostAsJsonAsync(address, new { failRate = 1, status = 500, delay = "5ms", retryAfter = 3 });
        using var changedAgain = await _http.PostAsJsonAsync(address, new { status = 429, retryAfter = -1 });

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (changed.StatusCode, changedAgain.StatusCode));
        Assert.Equal(new Behaviour { FailRate = 1, Status = 429, Delay = TimeSpan.FromMilliseconds(5) }, receiver.Behaviour);
        Assert.Equal(receiver.Behaviour, await _http.GetFromJsonAsync<Behaviour>(address));
        foreach (var (change, message) in new (object, string)[] { (new { failRate = 2 }, "fail-rate is 2"),
            (new { status = 200 }, "status is 200"), (new { delay = "soon" }, "delay is 'soon'") })
        {
            using var refused = await _http.PostAsJsonAsync(address, change);
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
            Assert.Contains(message, await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        Assert.Equal(429, receiver.Behaviour.Status);
    }

    [Theory]
    [InlineData("--port=soon", "soon")]
    [InlineData("--port=65536", "port is 65536")]
    [InlineData("--fail-rate=1.5", "fail-rate is 1.5")]
    [InlineData("--fail-rate=NaN", "fail-rate is NaN")]
    [InlineData("--status=200", "status is 200")]
    [InlineData("--delay=soon", "delay is 'soon'")]
    [InlineData("--reset-rate=-1", "reset-rate is -1")]
    [InlineData("--retry-after=-1", "retry-after is -1")]
    [InlineData("--remember=0", "remember is 0")]
    [InlineData("--secret=whsec_c2hvcnQ=", "the secret is invalid")]
    [InlineData("--nonsense", "--nonsense")]
    public async Task Program_WithAnInvalidArgument_ReportsItAndEndsWith2(string argument, string message)
    {
        var (code, output) = await ServiceProcess.RunAsync(Project, [argument]);

        Assert.Equal(2, code);
        var line = Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("receiver: ", line, StringComparison.Ordinal);
        Assert.Contains(message, line, StringComparison.Ordinal);
        Assert.DoesNotContain("c2hvcnQ=", line, StringComparison.Ordinal);
    }

    private Task<Receiver> StartAsync() => Receiver.StartAsync(new ReceiverOptions { Secrets = [_secret], Clock = _clock });

    private static string Id() => $"msg_{Guid.CreateVersion7():n}";

    private static string Body(Guid reservation, int sequence, DateTimeOffset? confirmedAt = null) => JsonSerializer.Serialize(new
    {
        type = sequence == 1 ? "reservation.confirmed" : "reservation.cancelled",
        timestamp = Start,
        data = new { reservationId = reservation, sequence, confirmedAt = confirmedAt ?? Start }
    });

    // Implements the rules independently of the receiver.
    private static Dictionary<string, string> Headers(string id, string body, string secret, DateTimeOffset at)
    {
        var signed = Encoding.UTF8.GetBytes($"{id}.{at.ToUnixTimeSeconds()}.{body}");
        return new Dictionary<string, string>
        {
            ["webhook-id"] = id,
            ["webhook-timestamp"] = $"{at.ToUnixTimeSeconds()}",
            ["webhook-signature"] =
                "v1," + Convert.ToBase64String(HMACSHA256.HashData(Convert.FromBase64String(secret["whsec_".Length..]), signed))
        };
    }

    private static HttpRequestMessage Request(Receiver receiver, string body, Dictionary<string, string> headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, receiver.Address)
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json")
        };
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return request;
    }

    private async Task<HttpStatusCode> SendAsync(Receiver receiver, string body, Dictionary<string, string> headers)
    {
        using var request = Request(receiver, body, headers);
        using var answer = await _http.SendAsync(request);
        return answer.StatusCode;
    }

    private Task<HttpStatusCode> SendAsync(Receiver receiver, string id, string body) =>
        SendAsync(receiver, body, Headers(id, body, _secret, _clock.GetUtcNow()));
}
