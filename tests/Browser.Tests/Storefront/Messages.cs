using System.Text.Json;
using ConcertSaga.Storefront;

namespace ConcertSaga.Browser.Tests.Storefront;

/// <summary>The texts of the storefront.</summary>
internal static class Messages
{
    public static JsonElement Read(string language)
    {
        using var file = StorefrontFiles.Assembly.GetManifestResourceStream($"messages/{language}.json")!;
        return JsonDocument.Parse(file).RootElement;
    }
}
