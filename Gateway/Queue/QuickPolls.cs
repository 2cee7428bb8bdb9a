using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Limits;
using ConcertSaga.Gateway.Proxy;
using ConcertSaga.Gateway.SignIn;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// The quick way for a poll of somebody who waits, which is nearly all that comes while a sale opens. It makes the checks of the long way
/// and only ever answers 200: whatever is missing, wrong, unusual or not remembered goes the long way, which refuses it. So there is one
/// place that refuses, and this one cannot let in who is refused there.
/// </summary>
internal sealed class QuickPolls(CheckedBearerTokens bearers, PollBuckets buckets, QueuePass pass, QueuePolls polls)
{
    private Endpoint? _poll;

    /// <summary>Null when the request has to go the long way.</summary>
    public Task? Answer(HttpContext context)
    {
        var headers = context.Request.Headers;
        if (context.GetEndpoint() is not { } endpoint || !IsPoll(endpoint)
            || bearers.UserOf(context.Request) is not { } userId
            || headers[QueuePass.Header] is not [{ } text]
            || pass.Read(text, out _) is not { Kind: QueueTokenKind.Waiting } token
            || pass.Judge(token, QueueTokenUse.Any, userId) is not null
            || polls.Waiting(text, token) is not { } view
            // Last, so that a request takes one token whichever way it goes.
            || buckets.Take(RateLimits.OwnerOf(userId)) != TimeSpan.Zero)
            return null;
        return QueuePolls.WriteAsync(context, view);
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
}

internal static class QuickPollsRegistration
{
    public static void UseQuickPolls(this WebApplication app)
    {
        var quick = app.Services.GetRequiredService<QuickPolls>();
        app.Use((context, next) => quick.Answer(context) ?? next(context));
    }
}
