using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Reservations;

/// <summary>A signed-in customer with points and a pass for each concert. It reserves and pays for one seat in one call.</summary>
internal sealed class BookingCustomer
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    private readonly HttpClient _http;
    private readonly string _token;
    private readonly Dictionary<int, string> _passes = [];

    private BookingCustomer(HttpClient http, string token)
    {
        _http = http;
        _token = token;
    }

    public static async Task<BookingCustomer> SignInAsync(HttpClient http, long charge, params IEnumerable<int> concertIds)
    {
        using var answer = await http.PostAsJsonAsync("/auth/demo", new { userId = $"u-{Guid.CreateVersion7():n}" });
        answer.EnsureSuccessStatusCode();
        var customer = new BookingCustomer(http,
            (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("accessToken").GetString()!);
        var (status, body) = await customer.SendAsync(HttpMethod.Post, "/api/points/charges", new { amount = charge });
        if (status != 201)
            throw new BenchmarkException($"a charge was answered with {status}: {body}");
        foreach (var concertId in concertIds)
            customer._passes[concertId] = await customer.WaitForPassAsync(concertId);
        return customer;
    }

    private async Task<string> WaitForPassAsync(int concertId)
    {
        var started = Stopwatch.GetTimestamp();
        var (status, body) = await SendAsync(HttpMethod.Post, "/api/queue/tokens", new { concertId });
        while (status is 200 or 201 && body.GetProperty("status").GetString() != "Active" && Stopwatch.GetElapsedTime(started) < Timeout)
        {
            await Task.Delay(100);
            (status, body) = await SendAsync(HttpMethod.Get, "/api/queue/tokens/current", null, body.GetProperty("token").GetString());
        }
        return status is 200 or 201 && body.GetProperty("status").GetString() == "Active" ? body.GetProperty("token").GetString()!
            : throw new BenchmarkException($"the customer got no pass for concert {concertId}: {status} {body}");
    }

    /// <summary>Reserves and pays, and waits until the reservation is confirmed.</summary>
    /// <returns>Milliseconds from the request to the confirmation.</returns>
    public async Task<double> ReserveAsync(int scheduleId, int seat)
    {
        var started = Stopwatch.GetTimestamp();
        var pass = _passes[(scheduleId - 1) / ReservationsPlan.SchedulesPerConcert + 1];
        var (status, body) = await SendAsync(HttpMethod.Post, "/api/reservations",
            new { scheduleId, seatNumbers = new[] { seat }, pay = true }, pass);
        while (status is 200 or 201 or 202)
        {
            var state = body.GetProperty("status").GetString();
            if (state == "Confirmed")
                return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            if (Stopwatch.GetElapsedTime(started) > Timeout)
                break;
            await Task.Delay(20);
            (status, body) = await SendAsync(HttpMethod.Get, $"/api/reservations/{body.GetProperty("reservationId").GetString()}", null);
        }
        throw new BenchmarkException($"seat {seat} of schedule {scheduleId} was not confirmed: {status} {body}");
    }

    /// <summary>Tries to reserve and pay.</summary>
    /// <returns>The code of the refusal; otherwise the status of the answer.</returns>
    public async Task<string> TryAsync(int concertId, int scheduleId, int seat)
    {
        var (status, body) = await SendAsync(HttpMethod.Post, "/api/reservations",
            new { scheduleId, seatNumbers = new[] { seat }, pay = true }, _passes[concertId]);
        return body.TryGetProperty("code", out var code) ? code.GetString()! : $"{status}";
    }

    private async Task<(int Status, JsonElement Body)> SendAsync(HttpMethod method, string path, object? body, string? queueToken = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _token);
        request.Headers.Add("Prefer", "wait=10");
        if (queueToken is not null)
            request.Headers.Add("X-Queue-Token", queueToken);
        if (method == HttpMethod.Post)
            request.Headers.Add("Idempotency-Key", Guid.CreateVersion7().ToString());
        using var answer = await _http.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>());
    }
}
