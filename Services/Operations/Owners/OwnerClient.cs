using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Contracts;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Operations.Owners;

/// <summary>Calls the internal routes of the other owners: reads their rows, and lets them choose and change objects.</summary>
internal sealed class OwnerClient(
    IOptions<OperationsOptions> options, IOptions<InnerWallOptions> wall, TimeProvider clock, ILogger<OwnerClient> logger) : IDisposable
{
    private static readonly JsonSerializerOptions Json =
        new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    private readonly HttpClient _http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(2) })
    {
        Timeout = TimeSpan.FromSeconds(30)
    };

    private readonly Dictionary<Owner, OutageLog> _outages = Enum.GetValues<Owner>()
        .ToDictionary(owner => owner, owner => new OutageLog($"Reading for operators from {owner}", logger, clock));

    /// <summary>Whether all addresses are known.</summary>
    public bool IsReady => options.Value.Services.All(service => service.Address is not null);

    /// <summary>Reads from an owner; null if it answers 404. Any other failure throws.</summary>
    public Task<T?> GetAsync<T>(Owner owner, string path, CancellationToken cancellationToken)
        where T : class => _http.GetInnerAsync<T>(AddressOf(owner), path, wall.Value.Secret, cancellationToken);

    /// <summary>Sends a body to an owner, and reads its answer. Any failure throws.</summary>
    public async Task<T> PostAsync<T>(Owner owner, string path, object body, CancellationToken cancellationToken)
        where T : class => await _http.PostInnerAsync<T>(AddressOf(owner), path, body, wall.Value.Secret, cancellationToken)
            ?? throw new HttpRequestException($"{owner} does not have the route {path}.");

    /// <summary>Reads from an owner, and logs an outage.</summary>
    /// <returns>Whether the owner answered, and what.</returns>
    public async Task<(bool IsThere, T? Value)> TryAsync<T>(Owner owner, Func<Task<T>> read, CancellationToken cancellationToken)
    {
        try
        {
            var value = await read();
            _outages[owner].Succeeded();
            return (true, value);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            _outages[owner].Failed(exception);
            return (false, default);
        }
    }

    /// <summary>Chooses the objects of a dry run.</summary>
    /// <exception cref="RefusedRequestException">The owner refuses the filter, or cannot be reached.</exception>
    public async Task<BulkChosen<Guid, JsonElement>> ChooseAsync<TFilter>(
        OperationKind kind, BulkChoice<TFilter> choice, CancellationToken cancellationToken)
        where TFilter : class
    {
        try
        {
            return await ActAsync<BulkChosen<Guid, JsonElement>>(kind, "choice", choice, cancellationToken);
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new RefusedRequestException(StatusCodes.Status503ServiceUnavailable, RefusalCodes.Unavailable,
                $"{RouteOf(kind).Owner} does not answer. Wait as long as Retry-After says, then try again.");
        }
    }

    /// <summary>Changes objects, or reads the results of earlier changes.</summary>
    public Task<BulkResult[]> ChangeAsync(OperationKind kind, BulkChange change, CancellationToken cancellationToken) =>
        ActAsync<BulkResult[]>(kind, "changes", change, cancellationToken);

    public void Dispose() => _http.Dispose();

    private async Task<T> ActAsync<T>(OperationKind kind, string route, object body, CancellationToken cancellationToken)
    {
        var (owner, objects) = RouteOf(kind);
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(AddressOf(owner), $"{objects}/{route}"));
        request.Headers.Add(InnerWall.SecretHeader, wall.Value.Secret);
        request.Content = JsonContent.Create(body, body.GetType(), options: Json);
        using var response = await _http.SendAsync(request, cancellationToken);
        if (response.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.UnprocessableEntity)
            throw RefusalOf((int)response.StatusCode, await ReceivedProblem.ReadAsync(response, cancellationToken));
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<T>(cancellationToken))!;
    }

    // The objects that a kind of operation changes.
    private static (Owner Owner, string Objects) RouteOf(OperationKind kind) => kind == OperationKind.SendAgain
        ? (Owner.DataPlatform, "/internal/deliveries") : (Owner.Orchestrator, "/internal/reservations");

    private Uri AddressOf(Owner owner) => options.Value.Services.FirstOrDefault(service => service.Owner == owner).Address
        ?? throw new HttpRequestException($"The address of {owner} is not known yet.");

    // The members of the owner's request have the names of the caller's, so its refusal fits the caller.
    private static RefusedRequestException RefusalOf(int status, ReceivedProblem? problem)
    {
        var error = problem?.Errors?.FirstOrDefault();
        return new RefusedRequestException(status, problem?.Code ?? RefusalCodes.BadRequest, problem?.Detail ?? "The request is refused.",
            error?.Key, error?.Value?.FirstOrDefault());
    }
}
