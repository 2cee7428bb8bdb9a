using System.Net;

namespace ConcertSaga.DataPlatform.Domain;

/// <summary>What an answer means for the delivery.</summary>
internal enum Verdict
{
    /// <summary>The destination has it.</summary>
    Delivered,

    /// <summary>Later it may be taken.</summary>
    Again,

    /// <summary>It will never be taken as it is.</summary>
    Never,

    /// <summary>The destination wants no more at all.</summary>
    Gone,

    /// <summary>It was not sent, and no attempt is used up.</summary>
    Unsent
}

internal static class Verdicts
{
    /// <summary>A redirect is not followed: signed bodies go where the configuration says and nowhere else.</summary>
    public static Verdict Of(HttpStatusCode status) => (int)status switch
    {
        >= 200 and <= 299 => Verdict.Delivered,
        408 or 425 or 429 or >= 500 => Verdict.Again,
        410 => Verdict.Gone,
        _ => Verdict.Never
    };

    /// <summary>Whether an answer says something about the destination and not about this delivery. One that is early is the delivery's own trouble.</summary>
    public static bool IsTroubled(HttpStatusCode status) => (int)status is 408 or 429 or >= 500;
}
