using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Shared.Hosting;

/// <summary>Options that are read and judged once, at start, with an error an operator can act on.</summary>
public static class OptionsSections
{
    /// <summary>
    /// Binds a section, checks it by its validation attributes, and registers it. An unknown key, a value of the wrong form and a value out
    /// of range each throw <see cref="StartupException"/> naming the key, what was found and what is allowed.
    /// </summary>
    /// <returns>The bound options, for use while services are being registered.</returns>
    public static TOptions AddOptionsSection<TOptions>(this IHostApplicationBuilder builder, string section)
        where TOptions : class, new()
    {
        var options = builder.Configuration.GetSection(section).BindOptions<TOptions>();
        builder.Services.AddSingleton(Microsoft.Extensions.Options.Options.Create(options));
        return options;
    }

    /// <summary>Binds and checks a section without registering it.</summary>
    internal static TOptions BindOptions<TOptions>(this IConfigurationSection section)
        where TOptions : class, new()
    {
        var options = new TOptions();
        Bind(section, options);
        return options;
    }

    private static void Bind(IConfigurationSection section, object options)
    {
        var properties = options.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.CanWrite).ToDictionary(property => property.Name, StringComparer.OrdinalIgnoreCase);

        foreach (var child in section.GetChildren())
        {
            if (!properties.TryGetValue(child.Key, out var property))
                throw new StartupException(
                    $"{child.Path} is not a setting; allowed: {string.Join(", ", properties.Keys.Select(key => $"{section.Path}:{key}"))}.");

            if (property.PropertyType == typeof(string[]))
            {
                // A list is given as an array in a file, or in one line with commas.
                property.SetValue(options, child.Value?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                    ?? [.. child.GetChildren().Select(item => item.Value ?? "")]);
                continue;
            }
            if (property.GetValue(options) is { } group && group.GetType().Namespace?.StartsWith("ConcertSaga", StringComparison.Ordinal) is true
                && group is not Enum)
            {
                // A group of settings with a class of its own, judged by the same rules.
                if (!string.IsNullOrEmpty(child.Value))
                    throw new StartupException($"{child.Path} is '{child.Value}'; allowed: settings below it, such as {child.Path}:Name=value.");
                Bind(child, group);
                continue;
            }
            if (child.Value is null)
            {
                // A collection: the configuration binder knows how to fill it.
                property.SetValue(options, child.Get(property.PropertyType));
                continue;
            }
            property.SetValue(options, Parse(child.Path, child.Value, Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType));
        }

        foreach (var (name, property) in properties)
        {
            foreach (var rule in property.GetCustomAttributes<ValidationAttribute>())
            {
                var value = property.GetValue(options);
                if (!rule.IsValid(value))
                    throw new StartupException($"{section.Path}:{name} is {Show(name, value)}; allowed: {Allowed(rule)}.");
            }
        }
    }

    /// <summary>Reads one value of a key that belongs to no options class.</summary>
    public static T Read<T>(this IConfiguration configuration, string key, T fallback) =>
        configuration[key] is { Length: > 0 } text ? (T)Parse(key, text, typeof(T)) : fallback;

    private static object Parse(string key, string text, Type type)
    {
        try
        {
            return type == typeof(string) ? text
                : type.IsEnum ? Enum.Parse(type, text, ignoreCase: true)
                : type == typeof(TimeSpan) ? TimeSpan.Parse(text, CultureInfo.InvariantCulture)
                : type == typeof(Uri) ? new Uri(text)
                : Convert.ChangeType(text, type, CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException or OverflowException or InvalidCastException)
        {
            var allowed = type.IsEnum ? string.Join(", ", Enum.GetNames(type))
                : type == typeof(TimeSpan) ? "a time span such as 00:00:10"
                : type == typeof(bool) ? "true, false"
                : type == typeof(Uri) ? "an absolute address such as http://localhost:8080"
                : type == typeof(double) ? "a number" : "a whole number";
            throw new StartupException($"{key} is '{text}'; allowed: {allowed}.");
        }
    }

    private static string Show(string name, object? value) =>
        value is null or "" ? "missing"
        // What an operator mistyped into a log may be most of a secret.
        : name.EndsWith("Secret", StringComparison.Ordinal) || name.EndsWith("Key", StringComparison.Ordinal) ? "not fit"
        : $"'{Convert.ToString(value, CultureInfo.InvariantCulture)}'";

    private static string Allowed(ValidationAttribute rule) => rule switch
    {
        RangeAttribute range => $"{range.Minimum} to {range.Maximum}",
        RequiredAttribute => "any value",
        MinLengthAttribute length => $"at least {length.Length} characters",
        _ => rule.FormatErrorMessage("the value")
    };
}
