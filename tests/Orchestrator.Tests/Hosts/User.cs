using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace ConcertSaga.Orchestrator.Tests.Hosts;

/// <summary>A response with its body.</summary>
public sealed record Answer(int Status, JsonElement Body, HttpResponseMessage Response)
{
    public Guid ReservationId => Body.GetProperty("reservationId").GetGuid();

    // A ticket also has a member of this name.
    public string? Code => Status >= 400 && Body.TryGetProperty("code", out var code) ? code.GetString() : null;

    public bool IsReplay => Response.Headers.TryGetValues("Idempotent-Replayed", out var values) && values.Single() == "true";

    public string? Text(string member) => Body.GetProperty(member).GetString();

    public Answer Is(int status, string? code = null)
    {
        Assert.True(Status == status && Code == code, $"{Status} {Body} instead of {status} {code}");
        if (code is not null)
        {
            Assert.Equal("application/problem+json", Response.Content.Headers.ContentType?.MediaType);
            Assert.Equal($"urn:concertsaga:problem:{code}", Text("type"));
            Assert.All(["title", "detail", "traceId"], member => Assert.False(string.IsNullOrWhiteSpace(Text(member))));
            if (status is 429 or 503)
                Assert.True(Response.Headers.RetryAfter is not null, "Retry-After is missing.");
        }
        return this;
    }

    /// <summary>Checks the public status of the reservation in a success or a refusal.</summary>
    public Answer Has(string reservationStatus)
    {
        Assert.Equal(reservationStatus, Text(Code is null ? "status" : "reservationStatus"));
        return this;
    }
}

/// <summary>A customer who has signed in.</summary>
public sealed class User(OrchestratorHost host, string id)
{
    private readonly HttpClient _client = host.Client(id);

    public string Id => id;

    public Script Script => host.Services.Of(id);

    public Task<Answer> ReserveAsync(object? body = null, Guid? key = null, string? prefer = null, Guid? pass = null, int? concertId = null,
        string? refusal = null) =>
        SendAsync(HttpMethod.Post, "/api/reservations", JsonContent.Create(body ?? new { scheduleId = 31, seatNumbers = new[] { 7, 8 } }),
            ("Idempotency-Key", (key ?? Guid.CreateVersion7()).ToString()), ("Prefer", prefer), ("X-Queue-Token-Id", pass?.ToString()),
            ("X-Queue-Concert-Id", concertId?.ToString(CultureInfo.InvariantCulture)),
            ("X-Queue-Refusal", refusal));

    /// <summary>Makes a reservation that awaits payment.</summary>
    public async Task<Guid> HoldAsync() => (await ReserveAsync()).Is(201).Has("AwaitingPayment").ReservationId;

    public Task<Answer> PayAsync(Guid reservation, string? prefer = null, int? concertId = null, string? refusal = null) =>
        SendAsync(HttpMethod.Post, $"/api/reservations/{reservation}/payment", null, ("Prefer", prefer),
            ("X-Queue-Concert-Id", concertId?.ToString(CultureInfo.InvariantCulture)), ("X-Queue-Refusal", refusal));

    public Task<Answer> CancelAsync(Guid reservation, string? prefer = null) =>
        SendAsync(HttpMethod.Delete, $"/api/reservations/{reservation}", null, ("Prefer", prefer));

    public Task<Answer> GetAsync(string path) => SendAsync(HttpMethod.Get, path, null);

    public Task<Answer> GetAsync(Guid reservation) => GetAsync($"/api/reservations/{reservation}");

    public Task<Answer> PostAsync(string body, string mediaType, string? key) =>
        SendAsync(HttpMethod.Post, "/api/reservations", new StringContent(body, Encoding.UTF8, mediaType), ("Idempotency-Key", key));

    private async Task<Answer> SendAsync(HttpMethod method, string path, HttpContent? content,
        params (string Name, string? Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        foreach (var (name, value) in headers.Where(header => header.Value is not null))
            request.Headers.TryAddWithoutValidation(name, value);
        var response = await _client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return new Answer((int)response.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement, response);
    }
}
