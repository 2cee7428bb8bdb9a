using ConcertSaga.Gateway.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace ConcertSaga.Gateway.SignIn;

/// <summary>
/// Moves the tokens of an event stream from the address into headers, because a browser's <c>EventSource</c> cannot send headers. This
/// happens before anything else reads the request. No other route accepts tokens in the address.
/// </summary>
internal static class AddressTokens
{
    public static void UseAddressTokens(this IApplicationBuilder app) => app.Use((context, next) =>
    {
        var request = context.Request;
        if (request.QueryString.HasValue && request.Path.Value is { } path && path.EndsWith("/events", StringComparison.OrdinalIgnoreCase)
            && path.StartsWith("/api/", StringComparison.OrdinalIgnoreCase))
        {
            if (request.Query["access_token"] is [{ Length: > 0 } access] && request.Headers.Authorization.Count == 0)
                request.Headers.Authorization = $"Bearer {access}";
            if (request.Query["queue_token"] is [{ Length: > 0 } queue] && !request.Headers.ContainsKey(GatewayHeaders.QueueToken))
                request.Headers[GatewayHeaders.QueueToken] = queue;
            request.QueryString = QueryString.Create(QueryHelpers.ParseQuery(request.QueryString.Value)
                .Where(pair => !pair.Key.Equals("access_token", StringComparison.OrdinalIgnoreCase)
                    && !pair.Key.Equals("queue_token", StringComparison.OrdinalIgnoreCase)));
        }
        return next(context);
    });
}
