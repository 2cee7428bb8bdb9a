using System.Globalization;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>The key of the last item of a page in a list ordered by an instant. The id orders rows of the same instant.</summary>
/// <param name="At">The last item's instant.</param>
/// <param name="Id">The last item's id.</param>
public readonly record struct InstantKey<TId>(DateTimeOffset At, TId Id) : IParsable<InstantKey<TId>>, IFormattable
    where TId : struct, IParsable<TId>, IFormattable
{
    static InstantKey<TId> IParsable<InstantKey<TId>>.Parse(string s, IFormatProvider? provider) => Read(s) ?? throw new FormatException();

    static bool IParsable<InstantKey<TId>>.TryParse(string? s, IFormatProvider? provider, out InstantKey<TId> result)
    {
        var key = Read(s ?? "");
        result = key.GetValueOrDefault();
        return key is not null;
    }

    /// <inheritdoc />
    public string ToString(string? format, IFormatProvider? formatProvider) =>
        string.Create(CultureInfo.InvariantCulture, $"{At.UtcTicks}:{Id}");

    private static InstantKey<TId>? Read(string text) =>
        text.Split(':') is [var time, var id]
        && long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks) && ticks <= DateTimeOffset.MaxValue.Ticks
        && TId.TryParse(id, CultureInfo.InvariantCulture, out var read)
            ? new InstantKey<TId>(new DateTimeOffset(ticks, TimeSpan.Zero), read)
            : null;
}
