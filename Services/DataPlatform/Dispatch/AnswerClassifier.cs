using System.Net;

namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>Tells the faults of a delivery from the faults of the destination.</summary>
internal static class AnswerClassifier
{
    // These refer to the content of one request: malformed, conflicting, too large, wrong media type, invalid, or legally blocked. Any
    // other refusal may meet every delivery, so it must not end one.
    private static readonly HashSet<int> ContentRefusals = [400, 409, 413, 415, 422, 451];

    /// <summary>A redirect makes the destination unavailable: the relay sends signed bodies only to the configured address.</summary>
    public static Verdict Classify(HttpStatusCode status) => (int)status switch
    {
        >= 200 and <= 299 => Verdict.Delivered,
        410 => Verdict.Gone,
        425 => Verdict.Early,
        var code => ContentRefusals.Contains(code) ? Verdict.Refused : Verdict.Unavailable
    };

    /// <summary>Whether the destination asks for fewer requests; a single such answer is conclusive.</summary>
    public static bool IsThrottling(HttpStatusCode status, TimeSpan? retryAfter) =>
        status == HttpStatusCode.TooManyRequests || (status == HttpStatusCode.ServiceUnavailable && retryAfter > TimeSpan.Zero);
}
