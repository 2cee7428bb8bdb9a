using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace ConcertSaga.Orchestrator.Tests.Hosts;

/// <summary>An answer, read to its end.</summary>
public sealed record Answer(int Status, JsonElement Body, HttpResponseMessage Response)
{
    public Guid ReservationId => Body.GetProperty("reservationId").GetGuid();

    public string? Code => Body.TryGetProperty("code", out var code) ? code.GetString() : null;

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
            if (status is 503)
                Assert.True(Response.Headers.RetryAfter is not null, "Retry-After is missing.");
        }
        return this;
    }

    /// <summary>A reservation with this public status, as a success or as what a refusal tells of it.</summary>
    public Answer Has(string reservationStatus)
    {
        Assert.Equal(reservationStatus, Text(Code is null ? "status" : "reservationStatus"));
        return this;
    }
}

/// <summary>One signed-in person.</summary>
public sealed class User(OrchestratorHost host, string id)
{
    private readonly HttpClient _client = host.Client(id);

    public string Id => id;

    public Script Script => host.Services.Of(id);

    public Task<Answer> ReserveAsync(object? body = null, Guid? key = null, string? prefer = null, Guid? pass = null, int? concertId = null) =>
        SendAsync(HttpMethod.Post, "/api/reservations", JsonContent.Create(body ?? new { scheduleId = 31, seatNumbers = new[] { 7, 8 } }),
            ("Idempotency-Key", (key ?? Guid.CreateVersion7()).ToString()), ("Prefer", prefer), ("X-Queue-Token-Id", pass?.ToString()),
            ("X-Queue-Concert-Id", concertId?.ToString(CultureInfo.InvariantCulture)));

    /// <summary>A reservation that waits for its payment.</summary>
    public async Task<Guid> ReservedAsync() => (await ReserveAsync()).Is(201).Has("AwaitingPayment").ReservationId;

    public Task<Answer> PayAsync(Guid reservation, string? prefer = null, int? concertId = null) =>
        SendAsync(HttpMethod.Post, $"/api/reservations/{reservation}/payment", null, ("Prefer", prefer),
            ("X-Queue-Concert-Id", concertId?.ToString(CultureInfo.InvariantCulture)));

    public Task<Answer> CancelAsync(Guid reservation, string? prefer = null) =>
        SendAsync(HttpMethod.Delete, $"/api/reservations/{reservation}", null, ("Prefer", prefer));

    public Task<Answer> GetAsync(string path) => SendAsync(HttpMethod.Get, path, null);

    public Task<Answer> GetAsync(Guid reservation) => GetAsync($"/api/reservations/{reservation}");

    public Task<Answer> PostAsync(string body, string mediaType, string? key) =>
        SendAsync(HttpMethod.Post, "/api/reservations", new StringContent(body, Encoding.UTF8, mediaType), ("Idempotency-Key", key));

    private async Task<Answer> SendAsync(HttpMethod method, string path, HttpContent? content, params (string Name, string? Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        foreach (var (name, value) in headers.Where(header => header.Value is not null))
            request.Headers.TryAddWithoutValidation(name, value);
        var response = await _client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return new Answer((int)response.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement, response);
    }
}
