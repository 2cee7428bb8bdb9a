using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Globalization;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>Checks values in requests by the type of their parameter or member.</summary>
public static class ValueReader
{
    /// <summary>Describes the values that a type allows.</summary>
    /// <param name="type">The type.</param>
    /// <param name="range">The range of its numbers, if it is narrower than the type.</param>
    public static string Allowed(Type type, RangeAttribute? range = null) =>
        $"Allowed: {(range is null ? Describe(TypeOf(type)) : Numbers(range.Minimum, range.Maximum))}.";

    /// <summary>Reads a whole number in plain digits, as the product writes it: without white space, plus or zeros in front.</summary>
    public static bool TryRead(string? text, out long number) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number)
        && number.ToString(CultureInfo.InvariantCulture) == text;

    /// <summary>Reads a UUID of 36 characters.</summary>
    public static bool TryRead(string? text, out Guid id) =>
        Guid.TryParseExact(text, "D", out id) && id.ToString().Equals(text, StringComparison.OrdinalIgnoreCase);

    /// <summary>
    /// Whether a text in an address is a value of the type. The framework would also accept white space, a plus sign, zeros in front,
    /// numbers of enum values and lists of names.
    /// </summary>
    public static bool IsReadable(Type type, string text)
    {
        type = TypeOf(type);
        if (type.IsEnum)
            return Enum.GetNames(type).Contains(text, StringComparer.OrdinalIgnoreCase);
        if (type == typeof(Guid))
            return TryRead(text, out Guid _);
        if (type == typeof(int))
            return TryRead(text, out long number) && number is >= int.MinValue and <= int.MaxValue;
        if (type == typeof(long))
            return TryRead(text, out long _);
        if (type == typeof(bool))
            return text.Equals("true", StringComparison.OrdinalIgnoreCase) || text.Equals("false", StringComparison.OrdinalIgnoreCase);
        if (type == typeof(IsoInstant))
            return IsoInstant.TryParse(text, null, out _);
        // Text, or the type of another library's endpoint, which reads it itself.
        return true;
    }

    /// <summary>Returns the type inside an <see cref="Optional{T}"/>, a nullable or an <see cref="EnumName{TEnum}"/>.</summary>
    public static Type TypeOf(Type type)
    {
        type = Optionals.ValueTypeOf(type);
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type.IsGenericType && type.GetGenericTypeDefinition() == typeof(EnumName<>) ? type.GetGenericArguments()[0] : type;
    }

    private static string Numbers(object minimum, object maximum) =>
        string.Create(CultureInfo.InvariantCulture, $"a whole number from {minimum} to {maximum}, in digits only");

    private static string Describe(Type type) =>
        type.IsEnum ? string.Join(", ", Enum.GetNames(type))
        : type == typeof(string) ? "a string"
        : type == typeof(bool) ? "true or false"
        : type == typeof(Guid) ? "a UUID such as 0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d"
        : type == typeof(int) ? Numbers(int.MinValue, int.MaxValue)
        : type == typeof(long) ? Numbers(long.MinValue, long.MaxValue)
        : type == typeof(double) || type == typeof(decimal) ? "a number"
        : type == typeof(TimeSpan) ? "a duration such as 00:00:30"
        : type == typeof(IsoInstant) ? IsoInstant.Allowed
        : type.IsAssignableTo(typeof(IEnumerable)) ? "an array" : "an object";
}
