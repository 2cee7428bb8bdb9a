using System.Globalization;
using System.Text.RegularExpressions;

namespace ConcertSaga.DevReceiver;

/// <summary>The faults that a receiver simulates.</summary>
public sealed partial record Behaviour
{
    private static readonly TimeSpan MaxDelay = TimeSpan.FromMinutes(5);

    /// <summary>The share of requests that the receiver rejects with <see cref="Status"/>, 0 to 1.</summary>
    public double FailRate { get; init; }

    /// <summary>The status of rejected requests, 300 to 599.</summary>
    public int Status { get; init; } = 503;

    /// <summary>The delay of every answer.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>
    /// The share of requests whose connection the receiver resets, 0 to 1. It accepts half of these events first, like a receiver whose
    /// answer was lost.
    /// </summary>
    public double ResetRate { get; init; }

    /// <summary>The seconds in <c>Retry-After</c> of a rejection; null omits the header.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>Whether <c>Retry-After</c> is sent as a date.</summary>
    public bool RetryAfterAsDate { get; init; }

    /// <summary>Checks that each value is within its limits.</summary>
    /// <exception cref="FormatException">A value is out of its limits; the message names it.</exception>
    public Behaviour Checked()
    {
        RequireRange("fail-rate", FailRate, 0, 1);
        RequireRange("reset-rate", ResetRate, 0, 1);
        RequireRange("status", Status, 300, 599);
        RequireRange("delay in seconds", Delay.TotalSeconds, 0, MaxDelay.TotalSeconds);
        RequireRange("retry-after", RetryAfter ?? 0, 0, 86_400);
        return this;
    }

    /// <summary>Parses a time such as <c>5ms</c>, <c>2s</c> or <c>00:00:05</c>.</summary>
    /// <exception cref="FormatException">The text is not such a time.</exception>
    public static TimeSpan ParseDelay(string text)
    {
        if (Delays().Match(text) is { Success: true } match)
            return TimeSpan.FromMilliseconds(double.Parse(match.Groups[1].Value,
                CultureInfo.InvariantCulture) * (match.Groups[2].Value == "s" ? 1000 : 1));
        return TimeSpan.TryParseExact(text, "c", CultureInfo.InvariantCulture, out var span)
            ? span : throw new FormatException($"delay is '{text}'; allowed: a time such as 5ms, 2s or 00:00:05.");
    }

    private static void RequireRange(string name, double value, double min, double max)
    {
        // In this form, the condition also rejects NaN.
        if (!(value >= min && value <= max))
            throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; allowed: {min} to {max}."));
    }

    [GeneratedRegex(@"^(\d{1,9}(?:\.\d{1,3})?)(ms|s)$")]
    private static partial Regex Delays();
}

/// <summary>The body of <c>POST /behaviour</c>. Omitted members stay unchanged.</summary>
/// <param name="FailRate"><see cref="Behaviour.FailRate"/>.</param>
/// <param name="Status"><see cref="Behaviour.Status"/>.</param>
/// <param name="Delay"><see cref="Behaviour.Delay"/>, such as <c>5ms</c>.</param>
/// <param name="ResetRate"><see cref="Behaviour.ResetRate"/>.</param>
/// <param name="RetryAfter"><see cref="Behaviour.RetryAfter"/>; a negative value removes it.</param>
/// <param name="RetryAfterAsDate"><see cref="Behaviour.RetryAfterAsDate"/>.</param>
public sealed record BehaviourChange(
    double? FailRate = null, int? Status = null, string? Delay = null, double? ResetRate = null, int? RetryAfter = null,
    bool? RetryAfterAsDate = null)
{
    /// <summary>Returns the behaviour with this change applied.</summary>
    /// <exception cref="FormatException">A value is out of its limits.</exception>
    public Behaviour ApplyTo(Behaviour current) => new Behaviour
    {
        FailRate = FailRate ?? current.FailRate,
        Status = Status ?? current.Status,
        Delay = Delay is null ? current.Delay : Behaviour.ParseDelay(Delay),
        ResetRate = ResetRate ?? current.ResetRate,
        RetryAfter = RetryAfter < 0 ? null : RetryAfter ?? current.RetryAfter,
        RetryAfterAsDate = RetryAfterAsDate ?? current.RetryAfterAsDate
    }.Checked();
}
