using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;

namespace ConcertSaga.OperatorConsole.Texts;

/// <summary>The texts of the console in one language.</summary>
internal sealed class TextCatalog
{
    private static readonly FrozenDictionary<string, TextCatalog> All =
        Preferences.Languages.ToFrozenDictionary(language => language, language => new TextCatalog(language));

    private readonly FrozenDictionary<string, string> _texts;

    private TextCatalog(string language)
    {
        using var stream = typeof(TextCatalog).Assembly.GetManifestResourceStream($"Texts/{language}.json")!;
        _texts = JsonSerializer.Deserialize<Dictionary<string, string>>(stream)!.ToFrozenDictionary();
        Language = language;
    }

    public string Language { get; }

    public IReadOnlyCollection<string> Keys => _texts.Keys;

    /// <summary>The text of a key.</summary>
    public string this[string key] => _texts[key];

    /// <summary>The text of a key with its parameters.</summary>
    public string this[string key, params object?[] values] => string.Format(CultureInfo.InvariantCulture, _texts[key], values);

    public static TextCatalog Of(string language) => All[language];

    /// <summary>The text of a value of the API, such as a state; the value itself if it has none.</summary>
    public string Of(string group, string? value) => value is null ? "–" : _texts.GetValueOrDefault($"{group}.{value}", value);
}
