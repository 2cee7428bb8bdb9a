using System.Reflection;
using System.Xml.Linq;
using ConcertSaga.Contracts;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>Contracts keep their wire format and document their sender and handler.</summary>
public sealed class ContractTests
{
    private const string Frozen = "tests/Architecture.Tests/wire-format.txt";

    private static readonly NullabilityInfoContext Nullability = new();

    private static IReadOnlyList<Type> Records { get; } =
        [.. typeof(CommandQueues).Assembly.GetExportedTypes().Where(type => !(type.IsAbstract && type.IsSealed))
            .OrderBy(type => type.FullName, StringComparer.Ordinal)];

    [Fact]
    public void Contracts_Are_SealedRecords() =>
        Rule.HasNoExceptions(Records.Where(type => !type.IsEnum && !(type.IsSealed && type.GetMethod("<Clone>$") is not null))
            .Select(type => $"{type.FullName} is not a sealed record"));

    /// <summary>
    /// The committed list changes only on purpose. New lines and optional members at the end of a line are compatible.
    /// </summary>
    [Fact]
    public void Contracts_OnTheWire_AreAsCommitted()
    {
        var actual = string.Concat(Records.Select(type => $"{type.FullName}: {Describe(type)}\n"));
        Assert.True(Product.Read(Frozen) == actual,
            $"{Frozen} differs. If the change is intended and additive, replace it with:\n{actual}");
    }

    [Fact]
    public void Messages_AreDocumented_BySenderAndHandler()
    {
        var documents = XDocument.Load(Path.Combine(AppContext.BaseDirectory, "ConcertSaga.Shared.Contracts.xml")).Descendants("member")
            .ToDictionary(member => (string)member.Attribute("name")!, member => (string?)member.Element("summary") ?? "");
        var parts = Records.SelectMany(type => type.GetProperties())
            .SelectMany(property => new[] { property.PropertyType, property.PropertyType.GetElementType() ?? property.PropertyType })
            .ToHashSet();

        Rule.HasNoExceptions(Records.Where(type => !documents.TryGetValue($"T:{type.FullName}", out var text) || text.Trim().Length == 0)
            .Select(type => $"{type.FullName} has no summary"));
        string[] ways = ["→", "Published by", "Sent by"];
        Rule.HasNoExceptions(Records.Except(parts)
            .Where(type => !ways.Any(way => documents[$"T:{type.FullName}"].Contains(way, StringComparison.Ordinal)))
            .Select(type => $"{type.FullName} does not name its sender and receiver"));
    }

    private static string Describe(Type type) => type.IsEnum
        ? string.Join(", ", Enum.GetNames(type))
        : string.Join(", ", type.GetProperties().Where(property => property.DeclaringType == type)
            .OrderBy(property => property.MetadataToken)
            .Select(property => $"{property.Name} {Name(property.PropertyType)}{Optional(property)}"));

    private static string Name(Type type) => type switch
    {
        { IsArray: true } => $"{Name(type.GetElementType()!)}[]",
        { IsGenericType: true } when Nullable.GetUnderlyingType(type) is { } inner => Name(inner),
        { IsGenericType: true } => $"{type.Name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>",
        _ => type.Name
    };

    private static string Optional(PropertyInfo property) =>
        Nullable.GetUnderlyingType(property.PropertyType) is not null || Nullability.Create(property).ReadState == NullabilityState.Nullable
            ? "?" : "";
}
