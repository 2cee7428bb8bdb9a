using System.Globalization;
using System.Text.RegularExpressions;

namespace ConcertSaga.DataPlatformStub;

/// <summary>How a receiver misbehaves.</summary>
public sealed partial record Behaviour
{
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(5);

    /// <summary>The share of requests that is answered with <see cref="Status"/> instead of being taken, 0 to 1.</summary>
    public double FailRate { get; init; }

    /// <summary>The status of those, 300 to 599.</summary>
    public int Status { get; init; } = 503;

    /// <summary>How long every request waits for its answer.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>The share of requests whose connection is reset, 0 to 1; half of these are taken before that, as by a receiver whose answer was lost.</summary>
    public double ResetRate { get; init; }

    /// <summary>Seconds in <c>Retry-After</c> of a failing answer; null for none.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>Whether <c>Retry-After</c> is given as a date.</summary>
    public bool RetryAfterAsDate { get; init; }

    /// <summary>Checks the limits of each value.</summary>
    /// <exception cref="FormatException">One is out of them; the message names it.</exception>
    public Behaviour Checked()
    {
        Between("fail-rate", FailRate, 0, 1);
        Between("reset-rate", ResetRate, 0, 1);
        Between("status", Status, 300, 599);
        Between("delay in seconds", Delay.TotalSeconds, 0, LongestDelay.TotalSeconds);
        Between("retry-after", RetryAfter ?? 0, 0, 86_400);
        return this;
    }

    /// <summary>Reads a time such as <c>5ms</c>, <c>2s</c> or <c>00:00:05</c>.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static TimeSpan ParseDelay(string text)
    {
        if (Delays().Match(text) is { Success: true } match)
            return TimeSpan.FromMilliseconds(double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) * (match.Groups[2].Value == "s" ? 1000 : 1));
        return TimeSpan.TryParseExact(text, "c", CultureInfo.InvariantCulture, out var span)
            ? span : throw new FormatException($"delay is '{text}'; allowed: a time such as 5ms, 2s or 00:00:05.");
    }

    private static void Between(string name, double value, double least, double most)
    {
        // Written so that what is no number is refused, too.
        if (!(value >= least && value <= most))
            throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; allowed: {least} to {most}."));
    }

    [GeneratedRegex(@"^(\d{1,9}(?:\.\d{1,3})?)(ms|s)$")]
    private static partial Regex Delays();
}

/// <summary>What <c>POST /behaviour</c> takes; what is left out stays as it is.</summary>
/// <param name="FailRate"><see cref="Behaviour.FailRate"/>.</param>
/// <param name="Status"><see cref="Behaviour.Status"/>.</param>
/// <param name="Delay"><see cref="Behaviour.Delay"/>, such as <c>5ms</c>.</param>
/// <param name="ResetRate"><see cref="Behaviour.ResetRate"/>.</param>
/// <param name="RetryAfter"><see cref="Behaviour.RetryAfter"/>; a negative one takes it away.</param>
/// <param name="RetryAfterAsDate"><see cref="Behaviour.RetryAfterAsDate"/>.</param>
public sealed record BehaviourChange(
    double? FailRate = null, int? Status = null, string? Delay = null, double? ResetRate = null, int? RetryAfter = null, bool? RetryAfterAsDate = null)
{
    /// <summary>The behaviour after the change.</summary>
    /// <exception cref="FormatException">A value is out of its limits.</exception>
    public Behaviour ApplyTo(Behaviour now) => new Behaviour
    {
        FailRate = FailRate ?? now.FailRate,
        Status = Status ?? now.Status,
        Delay = Delay is null ? now.Delay : Behaviour.ParseDelay(Delay),
        ResetRate = ResetRate ?? now.ResetRate,
        RetryAfter = RetryAfter < 0 ? null : RetryAfter ?? now.RetryAfter,
        RetryAfterAsDate = RetryAfterAsDate ?? now.RetryAfterAsDate
    }.Checked();
}
