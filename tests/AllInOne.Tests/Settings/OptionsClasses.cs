using System.Reflection;
using System.Text.RegularExpressions;
using ConcertSaga.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace ConcertSaga.AllInOne.Tests.Settings;

/// <summary>A property of an options class, or of a nested group.</summary>
internal sealed record Setting(string Key, PropertyInfo Property, object? Default)
{
    public Type Type => Nullable.GetUnderlyingType(Property.PropertyType) ?? Property.PropertyType;
}

/// <summary>Finds all options classes of the product by their registrations.</summary>
internal static partial class OptionsClasses
{
    /// <summary>The class of each section. A section with two classes appears twice.</summary>
    public static IReadOnlyList<(string Section, Type Type)> All { get; } =
    [
        .. Directory.EnumerateFiles(Repository.Root, "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/tests/", StringComparison.Ordinal))
            .SelectMany(file => Registrations().Matches(File.ReadAllText(file)))
            .Select(match => (Section: match.Groups[2].Value, Type: TypeOf(match.Groups[1].Value))).Distinct()
                .OrderBy(options => options.Section, StringComparer.Ordinal)
    ];

    /// <summary>The settings of a class, including those of nested groups.</summary>
    public static IEnumerable<Setting> SettingsOf(string section, Type type) => SettingsOf(section, Activator.CreateInstance(type)!);

    /// <summary>The sections that a process uses.</summary>
    public static IEnumerable<(string Section, Type Type)> Of(IServiceCollection services) => All.Where(options =>
        services.Any(service => service.ServiceType == typeof(IOptions<>).MakeGenericType(options.Type)));

    private static IEnumerable<Setting> SettingsOf(string section, object options) =>
        options.GetType().GetProperties().Where(property => property.CanWrite).SelectMany(property =>
            property.GetValue(options) is { } group && group.GetType() is { IsClass: true } type
                && type.Namespace!.StartsWith("ConcertSaga", StringComparison.Ordinal)
                ? SettingsOf($"{section}:{property.Name}", group)
                : [new Setting($"{section}:{property.Name}", property, property.GetValue(options))]);

    private static Type TypeOf(string name) => Directory.EnumerateFiles(AppContext.BaseDirectory, "ConcertSaga.*.dll")
        .Where(file => !file.EndsWith("Tests.dll", StringComparison.Ordinal)).SelectMany(file => Assembly.LoadFrom(file).GetTypes())
            .Single(type => type.Name == name);

    [GeneratedRegex(@"AddOptionsSection<(\w+)>\(""(\w+)""\)")]
    private static partial Regex Registrations();
}
