using System.Text.Json;
using System.Text.Json.Serialization;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>A member of a partial update: absent, or present with a value that may be null.</summary>
/// <typeparam name="T">The member's type; nullable if null has a meaning.</typeparam>
[JsonConverter(typeof(OptionalConverter))]
public readonly record struct Optional<T>
{
    /// <summary>Creates a member that is present.</summary>
    public Optional(T value)
    {
        IsSet = true;
        Value = value;
    }

    /// <summary>Whether the request has the member.</summary>
    public bool IsSet { get; }

    /// <summary>The value in the request; the default if the member is absent.</summary>
    public T? Value { get; }

    /// <summary>Returns the value in the request, or the current value if the member is absent.</summary>
    public T? Or(T? current) => IsSet ? Value : current;
}

/// <summary>Examines types of members of partial updates.</summary>
public static class Optionals
{
    /// <summary>Returns the type of the value of an <see cref="Optional{T}"/>; otherwise the type itself.</summary>
    public static Type ValueTypeOf(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Optional<>) ? type.GetGenericArguments()[0] : type;
}

/// <summary>Reads an <see cref="Optional{T}"/> that is present. The serializer does not call it for an absent member.</summary>
public sealed class OptionalConverter : JsonConverterFactory
{
    /// <inheritdoc />
    public override bool CanConvert(Type typeToConvert) =>
        typeToConvert.IsGenericType && typeToConvert.GetGenericTypeDefinition() == typeof(Optional<>);

    /// <inheritdoc />
    public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
        (JsonConverter)Activator.CreateInstance(typeof(Of<>).MakeGenericType(typeToConvert.GetGenericArguments()))!;

    private sealed class Of<T> : JsonConverter<Optional<T>>
    {
        public override bool HandleNull => true;

        public override Optional<T> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            new(JsonSerializer.Deserialize<T>(ref reader, options)!);

        public override void Write(Utf8JsonWriter writer, Optional<T> value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value.Value, options);
    }
}
