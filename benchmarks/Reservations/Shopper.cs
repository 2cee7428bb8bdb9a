using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Benchmarks.Measuring;

namespace ConcertSaga.Benchmarks.Reservations;

/// <summary>One signed-in person with points and a pass for each concert, who reserves a seat of each and pays for it in one call.</summary>
internal sealed class Shopper
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly HttpClient _http;
    private readonly string _token;
    private readonly Dictionary<int, string> _passes = [];

    private Shopper(HttpClient http, string token) => (_http, _token) = (http, token);

    public static async Task<Shopper> SignInAsync(HttpClient http, long charge, int concerts)
    {
        using var answer = await http.PostAsJsonAsync("/auth/demo", new { userId = $"u-{Guid.CreateVersion7():n}" });
        answer.EnsureSuccessStatusCode();
        var shopper = new Shopper(http, (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("accessToken").GetString()!);
        var (status, body) = await shopper.SendAsync(HttpMethod.Post, "/api/points/charges", new { amount = charge });
        if (status != 201)
            throw new BenchmarkException($"A charge was answered with {status}: {body}");
        for (var concertId = 1; concertId <= concerts; concertId++)
            shopper._passes[concertId] = await shopper.WaitInLineAsync(concertId);
        return shopper;
    }

    private async Task<string> WaitInLineAsync(int concertId)
    {
        var started = Stopwatch.GetTimestamp();
        var (status, body) = await SendAsync(HttpMethod.Post, "/api/queue/tokens", new { concertId });
        while (status is 200 or 201 && body.GetProperty("status").GetString() != "Active" && Stopwatch.GetElapsedTime(started) < Patience)
        {
            await Task.Delay(100);
            (status, body) = await SendAsync(HttpMethod.Get, "/api/queue/tokens/current", null, body.GetProperty("token").GetString());
        }
        return status is 200 or 201 && body.GetProperty("status").GetString() == "Active" ? body.GetProperty("token").GetString()!
            : throw new BenchmarkException($"Nobody was let in to concert {concertId}: {status} {body}");
    }

    /// <summary>Reserves and pays, and waits until the reservation is confirmed.</summary>
    /// <returns>Milliseconds from the request to the news.</returns>
    public async Task<double> ReserveAsync(int scheduleId, int seat)
    {
        var started = Stopwatch.GetTimestamp();
        var pass = _passes[(scheduleId - 1) / ReservationsPlan.DatesOfConcert + 1];
        var (status, body) = await SendAsync(HttpMethod.Post, "/api/reservations", new { scheduleId, seatNumbers = new[] { seat }, pay = true }, pass);
        while (status is 200 or 201 or 202)
        {
            var state = body.GetProperty("status").GetString();
            if (state == "Confirmed")
                return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            if (Stopwatch.GetElapsedTime(started) > Patience)
                break;
            await Task.Delay(20);
            (status, body) = await SendAsync(HttpMethod.Get, $"/api/reservations/{body.GetProperty("reservationId").GetString()}", null);
        }
        throw new BenchmarkException($"Seat {seat} of date {scheduleId} was not confirmed: {status} {body}");
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
