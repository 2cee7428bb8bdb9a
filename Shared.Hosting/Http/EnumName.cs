using System.Diagnostics.CodeAnalysis;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// An enum value in an address: one of its names, in any case. The framework's own parsing also accepts numbers, even undefined ones, and
/// lists of names.
/// </summary>
/// <param name="Value">The enum value.</param>
public readonly record struct EnumName<TEnum>(TEnum Value) : IParsable<EnumName<TEnum>>
    where TEnum : struct, Enum
{
    static EnumName<TEnum> IParsable<EnumName<TEnum>>.Parse(string s, IFormatProvider? provider) => Read(s) ?? throw new FormatException();

    /// <inheritdoc />
    [SuppressMessage("Design", "CA1000", Justification = "Endpoints bind parameters only by a public method of this name.")]
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out EnumName<TEnum> result)
    {
        var name = Read(s);
        result = name.GetValueOrDefault();
        return name is not null;
    }

    private static EnumName<TEnum>? Read(string? text) =>
        Enum.GetNames<TEnum>().FirstOrDefault(name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } name
            ? new EnumName<TEnum>(Enum.Parse<TEnum>(name))
            : null;
}
