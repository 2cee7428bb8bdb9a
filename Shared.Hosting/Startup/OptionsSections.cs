using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ConcertSaga.Shared.Hosting;

/// <summary>Reads and checks options once at start, with errors that an operator can act on.</summary>
public static class OptionsSections
{
    /// <summary>
    /// Binds a section, checks it by its validation attributes and <see cref="ICheckedOptions"/>, and registers it. An unknown key, a
    /// malformed value or a value out of range throws a <see cref="StartupException"/> that names the key, the value and what is allowed.
    /// </summary>
    /// <returns>The bound options, for use during registration.</returns>
    public static TOptions AddOptionsSection<TOptions>(this IHostApplicationBuilder builder, string section)
        where TOptions : class, new()
    {
        var options = builder.Configuration.GetSection(section).BindOptions<TOptions>();
        builder.Services.AddSingleton(Microsoft.Extensions.Options.Options.Create(options));
        return options;
    }

    /// <summary>Binds and checks a section without registering it.</summary>
    public static TOptions BindOptions<TOptions>(this IConfigurationSection section)
        where TOptions : class, new()
    {
        var options = new TOptions();
        Bind(section, options);
        return options;
    }

    private static void Bind(IConfigurationSection section, object options)
    {
        CheckIsSection(section);
        var properties = options.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.CanWrite).ToDictionary(property => property.Name, StringComparer.OrdinalIgnoreCase);

        foreach (var child in section.GetChildren())
        {
            if (!properties.TryGetValue(child.Key, out var property))
                throw new StartupException(
                    $"{child.Path} is not a setting; allowed: "
                        + $"{string.Join(", ", properties.Keys.Select(key => $"{section.Path}:{key}"))}.");
            if (property.PropertyType == typeof(string[]))
                property.SetValue(options, List(child));
            else if (property.GetValue(options) is IDictionary entries)
                Fill(entries, child, property.PropertyType.GenericTypeArguments[1]);
            else if (IsGroup(property.PropertyType))
                Bind(child, property.GetValue(options)!);
            else
                property.SetValue(options, Single(child, Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType));
        }

        foreach (var (name, property) in properties)
        {
            foreach (var rule in property.GetCustomAttributes<ValidationAttribute>())
            {
                var value = property.GetValue(options);
                if (!rule.IsValid(value))
                    throw new StartupException(
                        $"{section.Path}:{name} is {Show($"{section.Path}:{name}", value)}; allowed: {Allowed(rule)}.");
            }
        }
        (options as ICheckedOptions)?.Check();
    }

    // The operator chooses the names, such as those of routes.
    private static void Fill(IDictionary entries, IConfigurationSection section, Type type)
    {
        CheckIsSection(section);
        foreach (var child in section.GetChildren())
        {
            if (IsGroup(type))
            {
                var group = Activator.CreateInstance(type)!;
                Bind(child, group);
                entries.Add(child.Key, group);
            }
            else
            {
                entries.Add(child.Key, Single(child, type));
            }
        }
    }

    private static void CheckIsSection(IConfigurationSection section)
    {
        if (!string.IsNullOrEmpty(section.Value))
            throw new StartupException(
                $"{section.Path} is {SettingText.Show(section.Path, section.Value)}; allowed: settings below it, such as "
                    + $"{section.Path}:Name=value.");
    }

    // A nested options class.
    private static bool IsGroup(Type type) => type.IsClass && type.Namespace?.StartsWith("ConcertSaga", StringComparison.Ordinal) is true;

    private static object Single(IConfigurationSection child, Type type)
    {
        if (child.GetChildren().FirstOrDefault() is { } nested)
            throw new StartupException($"{nested.Path} is not a setting; allowed: {child.Path}.");
        return SettingValues.Parse(child.Path, child.Value
            ?? throw new StartupException($"{child.Path} is missing; allowed: {SettingValues.Allowed(type)}."), type);
    }

    // A list is an array in a file, or one line with commas.
    private static string[] List(IConfigurationSection child)
    {
        var items = child.GetChildren().ToArray();
        if (!string.IsNullOrEmpty(child.Value))
            return items is [] ? child.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                : throw new StartupException(
                    $"{child.Path} is given twice; allowed: one line with commas, or {child.Path}:0, {child.Path}:1 and so on.");
        if (Array.Find(items, item => !int.TryParse(item.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _) || item.Value is null)
            is { } wrong)
            throw new StartupException($"{wrong.Path} is not a setting; allowed: {child.Path}:0, {child.Path}:1 and so on.");
        return [.. items.Select(item => item.Value!)];
    }

    private static string Show(string key, object? value) =>
        value is null or "" ? "missing" : SettingText.Show(key, Convert.ToString(value, CultureInfo.InvariantCulture));

    private static string Allowed(ValidationAttribute rule) => rule switch
    {
        RangeAttribute range => $"{range.Minimum} to {range.Maximum}",
        RequiredAttribute => "any value",
        AllowedValuesAttribute names => string.Join(", ", names.Values.OfType<string>()),
        MinLengthAttribute length => $"at least {length.Length} characters",
        _ => rule.FormatErrorMessage("the value")
    };
}
