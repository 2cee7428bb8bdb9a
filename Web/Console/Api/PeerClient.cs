using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.Extensions.Options;

namespace ConcertSaga.OperatorConsole.Api;

/// <summary>A service whose routes the console calls.</summary>
public enum Peer
{
    Operations,
    Orchestrator,
    Queue,
    Seats,
    DataPlatform
}

/// <summary>Why a route refused a request.</summary>
public sealed record ApiProblem(int Status, string Code, string Detail);

/// <summary>The answer of a route: a value, or a problem.</summary>
public sealed record ApiAnswer<T>(T? Value, ApiProblem? Problem)
    where T : class;

/// <summary>Calls the routes of services behind the inner wall.</summary>
internal sealed class PeerClient(Func<Peer, Uri?> addressOf, IOptions<InnerWallOptions> wall) : IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
    };

    private readonly HttpClient _http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(2) })
    {
        Timeout = TimeSpan.FromSeconds(12)
    };

    public async Task<ApiAnswer<T>> SendAsync<T>(Peer peer, HttpMethod method, string path, object? body,
        IEnumerable<KeyValuePair<string, string>> headers, CancellationToken cancellationToken)
        where T : class
    {
        if (addressOf(peer) is not { } address)
            return Unavailable<T>(peer);
        using var request = new HttpRequestMessage(method, new Uri(address, path));
        request.Headers.Add(InnerWall.SecretHeader, wall.Value.Secret);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        if (body is not null)
            request.Content = JsonContent.Create(body, body.GetType(), options: Json);
        try
        {
            using var response = await _http.SendAsync(request, cancellationToken);
            if (response.IsSuccessStatusCode)
                return new ApiAnswer<T>(await response.Content.ReadFromJsonAsync<T>(Json, cancellationToken), null);
            var problem = await ReceivedProblem.ReadAsync(response, cancellationToken);
            return new ApiAnswer<T>(null, new ApiProblem((int)response.StatusCode, problem?.Code ?? "", TextOf(problem)));
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException or IOException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return Unavailable<T>(peer);
        }
    }

    public void Dispose() => _http.Dispose();

    private static ApiAnswer<T> Unavailable<T>(Peer peer)
        where T : class => new(null, new ApiProblem(503, "UNAVAILABLE", peer.ToString()));

    private static string TextOf(ReceivedProblem? problem) => string.Join(' ', new[] { problem?.Detail }
        .Concat(problem?.Errors?.Select(error => $"{error.Key}: {string.Join(' ', error.Value)}") ?? []).OfType<string>().Distinct());
}
