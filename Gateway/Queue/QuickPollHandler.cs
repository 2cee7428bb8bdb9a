using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Caching;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.SignIn;
using Yarp.ReverseProxy.Model;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// Answers the polls of waiting customers on a quick path, because nearly all requests at the start of a sale are such polls. It has no
/// checks of its own: it calls those of the long path, remembers their lasting results, and only answers 200. It leaves every other
/// request to the long path, which is the only place that refuses.
/// </summary>
internal sealed class QuickPollHandler(
    CallerCache callers, PollBuckets buckets, QueueTokenCheck check, QueuePollHandler polls)
{
    private const int Capacity = 32_768;

    // By the hash of the credential and the queue token. A signature stays valid, so only the other properties of a token are checked at
    // each poll.
    private readonly RecentCache<UInt128, Caller> _callers = new(Capacity);
    private Endpoint? _poll;

    /// <summary>Answers a poll; null if the request must take the long path.</summary>
    public Task? Answer(HttpContext context)
    {
        var headers = context.Request.Headers;
        if (context.GetEndpoint() is not { } endpoint || !IsPoll(endpoint)
            || headers[GatewayHeaders.QueueToken] is not [{ } text]
            || FindCaller(context.Request, text) is not { } caller
            || check.Check(caller.Token, QueueTokenUse.Any, caller.User.UserId) is not null
            || polls.ViewWaiting(text, caller.Token) is not { } view
            // Last, so that a request takes one rate limit token on either path.
            || buckets.Take(caller.Bucket) != TimeSpan.Zero)
            return null;
        return QueuePollHandler.WriteAsync(context, view);
    }

    private Caller? FindCaller(HttpRequest request, string text)
    {
        if (CallerCache.CredentialOf(request) is not { } credential || TokenHash.Of(credential, text) is not { } hash)
            return null;
        if (_callers.TryGet(hash, out var known) && callers.IsValid(known.User) && check.IsStillVerified(known.Token))
            return known;
        if (callers.Find(request) is not { } user || check.Read(text, out _) is not { Kind: QueueTokenKind.Waiting } token)
            return null;
        var caller = new Caller(user, RateLimits.OwnerOf(user.UserId), token);
        _callers.Set(hash, caller);
        return caller;
    }

    /// <summary>Whether a route requires exactly the checks of the quick path. Its configuration may require others.</summary>
    private bool IsPoll(Endpoint endpoint)
    {
        if (ReferenceEquals(_poll, endpoint))
            return true;
        if (!HasShippedPolicies(endpoint))
            return false;
        _poll = endpoint;
        return true;
    }

    private static bool HasShippedPolicies(Endpoint endpoint) =>
        endpoint.Metadata.GetMetadata<RouteModel>()?.Config
            is
        {
            AuthorizationPolicy: "Default", RateLimiterPolicy: nameof(RateLimitsOptions.Poll), CorsPolicy: null,
            Metadata: { } metadata
        }
        && metadata.TryGetValue(RouteMetadata.AnsweredBy, out var answer) && answer == QueuePollHandler.Name
        && metadata.TryGetValue(RouteMetadata.QueueToken, out var use) && use == nameof(QueueTokenUse.Any)
        && metadata.GetValueOrDefault(RouteMetadata.Repeatable) != "true";

    /// <summary>The owner of a bearer token or session, and of a queue token.</summary>
    /// <param name="User">The owner.</param>
    /// <param name="Bucket">The owner of the rate limit bucket.</param>
    /// <param name="Token">The queue token.</param>
    private sealed record Caller(VerifiedCaller User, string Bucket, VerifiedToken Token);
}

/// <summary>Adds the quick path to the pipeline.</summary>
internal static class QuickPollRegistration
{
    public static void UseQuickPolls(this WebApplication app)
    {
        var handler = app.Services.GetRequiredService<QuickPollHandler>();
        app.Use((context, next) => handler.Answer(context) ?? next(context));
    }
}
