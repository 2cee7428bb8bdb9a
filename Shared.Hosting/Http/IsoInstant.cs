using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// An instant in a request, in ISO 8601 only: a day and a time with <c>Z</c> or an offset, or a day alone, which means midnight UTC. The
/// framework's own parsing also accepts formats of many cultures, and guesses which number is the day.
/// </summary>
/// <param name="Value">The instant, in UTC: PostgreSQL accepts no other offset.</param>
[JsonConverter(typeof(Converter))]
public readonly record struct IsoInstant(DateTimeOffset Value) : IParsable<IsoInstant>
{
    internal const string Allowed =
        "an ISO 8601 instant such as 2026-12-05T18:30:00Z or 2026-12-05T19:30:00.5+01:00, or a date such as 2026-12-05 for midnight UTC; "
        + "in an address, send + as %2B";

    private static readonly string[] Formats =
    [
        "yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm'Z'", "yyyy-MM-dd'T'HH:mm:ss'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'",
        "yyyy-MM-dd'T'HH:mmzzz", "yyyy-MM-dd'T'HH:mm:sszzz", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz"
    ];

    /// <inheritdoc />
    public static IsoInstant Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var instant) ? instant : throw new FormatException($"Allowed: {Allowed}.");

    /// <inheritdoc />
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out IsoInstant result)
    {
        // The formats alone would also accept an offset without a colon, and a decimal point without digits.
        var isRead = DateTimeOffset.TryParseExact(s, Formats, CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var value)
            && s is [.., 'Z'] or [.., ':', _, _] or { Length: 10 }
            && !(s.IndexOf('.') is var point and > 0 && !char.IsAsciiDigit(s[point + 1]));
        result = new IsoInstant(value);
        return isRead;
    }

    /// <inheritdoc />
    public override string ToString() => Value.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture);

    private sealed class Converter : JsonConverter<IsoInstant>
    {
        public override IsoInstant Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.String && TryParse(reader.GetString(), null, out var instant)
                ? instant : throw new JsonException();

        public override void Write(Utf8JsonWriter writer, IsoInstant value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.Value);
    }
}
