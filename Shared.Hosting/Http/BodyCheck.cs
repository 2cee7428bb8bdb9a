using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ConcertSaga.Contracts;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// Compares a JSON body with the type it is bound to, and explains which members are wrong and why. The serializer refuses the same bodies,
/// but names only the first error, in terms of .NET types.
/// </summary>
internal sealed class BodyCheck(JsonSerializerOptions options, RequestErrors errors)
{
    /// <summary>The name of the body itself among the errors.</summary>
    public const string Root = "body";

    /// <summary>Checks a whole body.</summary>
    /// <param name="body">The bytes of the body.</param>
    /// <param name="type">The type it is bound to; null for a route without a body, which accepts an empty object.</param>
    public void Check(ReadOnlyMemory<byte> body, Type? type)
    {
        if (body.Span.StartsWith("\uFEFF"u8))
        {
            errors.Unreadable(Root, "The body begins with a byte order mark. Send UTF-8 without it.");
            return;
        }
        if (!System.Text.Unicode.Utf8.IsValid(body.Span))
        {
            errors.Unreadable(Root, "The body is not UTF-8. Send JSON in UTF-8.");
            return;
        }
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind == JsonValueKind.Null)
                errors.Unreadable(Root, type is null
                    ? "The body is null. Omit it." : $"The body is null. Send an object with {Members(type)}.");
            else
                Value(document.RootElement, options.GetTypeInfo(type ?? typeof(EmptyBody)), Root);
        }
        catch (JsonException exception)
        {
            errors.Unreadable(Root,
                $"The body is not valid JSON: line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}.");
        }
    }

    /// <summary>Lists the members of a body for a message.</summary>
    public string Members(Type type) => string.Join(", ", options.GetTypeInfo(type).Properties.Select(property => property.Name));

    private void Value(JsonElement value, JsonTypeInfo type, string path, string? code = null)
    {
        if (errors.IsFull)
            return;
        switch (type.Kind, value.ValueKind)
        {
            case (JsonTypeInfoKind.Object, JsonValueKind.Object):
                Object(value, type, path);
                break;
            case (JsonTypeInfoKind.Enumerable, JsonValueKind.Array):
                Array(value, options.GetTypeInfo(type.ElementType!), path, code);
                break;
            case (JsonTypeInfoKind.None, _) when type.Type == typeof(string) && value.ValueKind == JsonValueKind.String:
                Text(value, path, code);
                break;
            case (JsonTypeInfoKind.None, _) when IsReadable(value, type):
                break;
            default:
                errors.Unreadable(path, ValueReader.Allowed(type.Type));
                break;
        }
    }

    private void Object(JsonElement value, JsonTypeInfo type, string path)
    {
        HashSet<string> present = [];
        foreach (var member in value.EnumerateObject())
        {
            if (NameOf(member) is not { } name)
            {
                errors.Unreadable(path, "A member's name contains one half of a surrogate pair.");
                continue;
            }
            var property = type.Properties.FirstOrDefault(known => known.Name == name);
            var memberPath = Below(path, property?.Name ?? StoredText.Quote(name));
            if (property is null)
            {
                Unknown(memberPath, name, type, present);
            }
            else if (!present.Add(property.Name))
            {
                errors.Unreadable(memberPath, "The member is given twice.");
            }
            else if (member.Value.ValueKind != JsonValueKind.Null)
            {
                Value(member.Value, options.GetTypeInfo(property.PropertyType), memberPath, CodeOf(property));
            }
            else if (!AllowsNull(property))
            {
                errors.NotAllowed(memberPath, "The member must not be null.", CodeOf(property));
            }
        }
        foreach (var property in type.Properties)
        {
            if (IsRequired(property) && !present.Contains(property.Name))
                errors.NotAllowed(Below(path, property.Name), $"The member is missing. {ValueReader.Allowed(property.PropertyType)}",
                    CodeOf(property));
        }
    }

    private void Unknown(string path, string name, JsonTypeInfo type, HashSet<string> present)
    {
        var meant = type.Properties.FirstOrDefault(known => known.Name.Equals(name, StringComparison.OrdinalIgnoreCase))?.Name;
        // A second error would call the same member missing.
        if (meant is not null)
            present.Add(meant);
        errors.Unreadable(path,
            type.Properties.Count == 0 ? "Unknown member. This request has no body."
            : meant is not null ? $"Unknown member. Upper and lower case differ; write {meant}."
            : $"Unknown member. Allowed: {string.Join(", ", type.Properties.Select(known => known.Name))}.",
            RefusalCodes.UnknownMember);
    }

    private void Array(JsonElement value, JsonTypeInfo type, string path, string? code)
    {
        var index = 0;
        foreach (var element in value.EnumerateArray())
        {
            var elementPath = $"{path}[{index++}]";
            if (element.ValueKind == JsonValueKind.Null)
                errors.NotAllowed(elementPath, "The element must not be null.", code);
            else
                Value(element, type, elementPath, code);
            if (errors.IsFull)
                return;
        }
    }

    private void Text(JsonElement value, string path, string? code)
    {
        try
        {
            if (StoredText.FaultOf(value.GetString()!) is { } fault)
                errors.NotAllowed(path, fault, code);
        }
        catch (InvalidOperationException)
        {
            errors.NotAllowed(path, StoredText.HalfPair, code);
        }
    }

    private static bool IsReadable(JsonElement value, JsonTypeInfo type)
    {
        try
        {
            value.Deserialize(type);
            return true;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException or OverflowException)
        {
            return false;
        }
    }

    private static string? NameOf(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static string Below(string path, string name) => path == Root ? name : $"{path}.{name}";

    private static bool AllowsNull(JsonPropertyInfo property) =>
        Optionals.ValueTypeOf(property.PropertyType) is { IsValueType: true } type ? Nullable.GetUnderlyingType(type) is not null
        : property.IsSetNullable;

    internal static bool IsRequired(JsonPropertyInfo property) =>
        property.IsRequired || property is { AssociatedParameter: { HasDefaultValue: false, IsMemberInitializer: false } };

    private static string? CodeOf(JsonPropertyInfo property) =>
        property.AttributeProvider?.GetCustomAttributes(typeof(RefusedAsAttribute), false) is [RefusedAsAttribute refusal, ..]
            ? refusal.Code : null;

    /// <summary>Stands for the body of a route that has none.</summary>
    private sealed record EmptyBody;
}
