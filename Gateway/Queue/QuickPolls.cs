using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Proxy;
using ConcertSaga.Gateway.SignIn;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// The quick way for a poll of somebody who waits, which is nearly all that comes while a sale opens. It makes the checks of the long way
/// and only ever answers 200: whatever is missing, wrong, unusual or not remembered goes the long way, which refuses it. So there is one
/// place that refuses, and this one lets in nobody who is refused there.
/// </summary>
internal sealed class QuickPolls(CheckedBearerTokens bearers, PollBuckets buckets, WaitingRoom room, QueuePass pass, QueuePolls polls, TimeProvider time)
{
    private const int Kept = 32_768;

    // By both tokens together. Signatures stay what they are; everything else about a token is judged each time.
    private readonly RecentCache<UInt128, Caller> _callers = new(Kept);
    private Endpoint? _poll;

    /// <summary>Null when the request has to go the long way.</summary>
    public Task? Answer(HttpContext context)
    {
        var headers = context.Request.Headers;
        if (context.GetEndpoint() is not { } endpoint || !IsPoll(endpoint)
            || headers.Authorization is not [{ } bearer] || headers[QueuePass.Header] is not [{ } text]
            || FindCaller(context.Request, bearer, text) is not { } caller
            || pass.Judge(caller.Token, QueueTokenUse.Any, caller.UserId) is not null
            || polls.Waiting(text, caller.Token) is not { } view
            // Last, so that a request takes one token whichever way it goes.
            || buckets.Take(caller.Bucket) != TimeSpan.Zero)
            return null;
        return QueuePolls.WriteAsync(context, view);
    }

    private Caller? FindCaller(HttpRequest request, string bearer, string text)
    {
        if (TokenHash.Of(bearer, text) is not { } hash)
            return null;
        if (_callers.TryGet(hash, out var known) && time.GetUtcNow() < known.Until && ReferenceEquals(room.Key(known.Token.Key.Kid), known.Token.Key))
            return known;
        if (bearers.Find(request) is not { } user || pass.Read(text, out _) is not { Kind: QueueTokenKind.Waiting } token)
            return null;
        var caller = new Caller(user.UserId, RateLimits.OwnerOf(user.UserId), token, user.Until);
        _callers.Set(hash, caller);
        return caller;
    }

    /// <summary>Whether a route asks for exactly the checks that are made here; it is configuration, and may ask for others.</summary>
    private bool IsPoll(Endpoint endpoint)
    {
        if (ReferenceEquals(_poll, endpoint))
            return true;
        if (!RouteSteps.IsPlainPoll(endpoint))
            return false;
        _poll = endpoint;
        return true;
    }

    /// <summary>Whose tokens they are.</summary>
    /// <param name="UserId">The user of both.</param>
    /// <param name="Bucket">Whose bucket is taken from.</param>
    /// <param name="Token">The queue token.</param>
    /// <param name="Until">Until when the bearer token needs no new check.</param>
    private sealed record Caller(string UserId, string Bucket, QueueToken Token, DateTimeOffset Until);
}

internal static class QuickPollsRegistration
{
    public static void UseQuickPolls(this WebApplication app)
    {
        var quick = app.Services.GetRequiredService<QuickPolls>();
        app.Use((context, next) => quick.Answer(context) ?? next(context));
    }
}
