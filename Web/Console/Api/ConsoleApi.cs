using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace ConcertSaga.OperatorConsole.Api;

/// <summary>Calls the routes of operators on behalf of the operator who opened the page.</summary>
internal sealed class ConsoleApi(PeerClient peers, IHttpContextAccessor accessor)
{
    private HttpContext Context => accessor.HttpContext!;

    /// <summary>Reads a route.</summary>
    /// <param name="peer">The owner of the route.</param>
    /// <param name="path">The path.</param>
    /// <param name="query">The parameters; those without a value are left out.</param>
    public Task<ApiAnswer<T>> GetAsync<T>(Peer peer, string path, params (string Name, string? Value)[] query)
        where T : class =>
        SendAsync<T>(peer, HttpMethod.Get, QueryHelpers.AddQueryString(path, query.Where(part => !string.IsNullOrEmpty(part.Value))
            .Select(part => KeyValuePair.Create(part.Name, part.Value))), null);

    /// <summary>Changes something.</summary>
    public Task<ApiAnswer<T>> SendAsync<T>(Peer peer, HttpMethod method, string path, object? body)
        where T : class =>
        peers.SendAsync<T>(peer, method, path, body, Identity(), Context.RequestAborted);

    // The gateway has identified the operator. The services check the role again.
    private IEnumerable<KeyValuePair<string, string>> Identity() =>
        new[] { Caller.UserIdHeader, Caller.UserRolesHeader }.Select(name => KeyValuePair.Create(name, $"{Context.Request.Headers[name]}"));
}
