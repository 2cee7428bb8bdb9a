using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Reservations;

namespace ConcertSaga.Benchmarks.Operations;

/// <summary>Calls the routes of operators directly at their services, as the gateway would.</summary>
internal sealed class OperatorClient(Cluster cluster) : IDisposable
{
    private readonly HttpClient _http = new()
    {
        DefaultRequestHeaders = { { "X-Gateway-Secret", cluster.Secret }, { "X-User-Id", "operator-1" }, { "X-User-Roles", "ops" } }
    };

    /// <returns>The answer and its time in milliseconds.</returns>
    public async Task<(JsonElement Answer, double Milliseconds)> GetAsync(string service, string path, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        using var answer = await _http.GetAsync(new Uri(cluster.AddressOf(service), path), cancellationToken);
        return await ReadAsync(answer, path, started, cancellationToken);
    }

    /// <returns>The answer and its time in milliseconds.</returns>
    public async Task<(JsonElement Answer, double Milliseconds)> PostAsync(
        string service, string path, object body, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        using var answer = await _http.PostAsJsonAsync(new Uri(cluster.AddressOf(service), path), body, cancellationToken);
        return await ReadAsync(answer, path, started, cancellationToken);
    }

    public void Dispose() => _http.Dispose();

    private static async Task<(JsonElement, double)> ReadAsync(
        HttpResponseMessage answer, string path, long started, CancellationToken cancellationToken)
    {
        var body = await answer.Content.ReadFromJsonAsync<JsonElement>(cancellationToken);
        return answer.IsSuccessStatusCode ? (body, Stopwatch.GetElapsedTime(started).TotalMilliseconds)
            : throw new BenchmarkException($"{path} was answered with {(int)answer.StatusCode}: {body}");
    }
}
