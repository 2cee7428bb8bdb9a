using System.Text.RegularExpressions;
using ConcertSaga.Contracts;
using ConcertSaga.Storefront;
using Xunit;

namespace ConcertSaga.Browser.Tests.Storefront;

/// <summary>The texts of both languages are complete.</summary>
public sealed partial class MessagesTests(Site site, Browser browser)
{
    private static readonly string[] Languages = ["en", "ko"];

    // The codes of the API, from the table in the code.
    private static readonly string[] Codes =
        [.. typeof(RefusalCodes).GetFields().Select(field => (string)field.GetRawConstantValue()!)];

    [Fact]
    public void Keys_OfBothLanguages_AreEqual()
    {
        var keys = Languages.Select(language => Texts(language)).ToArray();
        Assert.Equal(keys[0].Keys, keys[1].Keys);
        Assert.All(keys[0], text =>
        {
            Assert.NotEqual("", text.Value.Trim());
            Assert.Equal(Values(text.Value), Values(keys[1][text.Key]));
        });
    }

    [Fact]
    public void Keys_OfTheScripts_Exist()
    {
        var texts = Texts("en");
        var scripts = StorefrontFiles.Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".js", StringComparison.Ordinal))
            .Select(name => new StreamReader(StorefrontFiles.Assembly.GetManifestResourceStream(name)!).ReadToEnd()).ToList();
        var used = scripts.SelectMany(script => UsedKeys().Matches(script).Select(match => match.Groups[1].Value)).Distinct().ToList();
        Assert.True(used.Count > 100, $"{used.Count}");
        Assert.All(used, key => Assert.True(texts.ContainsKey(key) || texts.ContainsKey($"{key}.other"), key));
        Assert.All(texts.Keys.Where(key => key.EndsWith(".one", StringComparison.Ordinal)),
            key => Assert.Contains(key[..^4] + ".other", texts.Keys));
    }

    [Theory]
    [InlineData("en")]
    [InlineData("ko")]
    public void Refusals_OfTheApi_HaveASentenceEach(string language)
    {
        var texts = Texts(language);
        Assert.All(Codes, code => Assert.Contains($"refusal.{code}", texts.Keys));
        Assert.All(texts.Keys.Where(key => key.StartsWith("refusal.", StringComparison.Ordinal) && key != "refusal.OFFLINE"),
            key => Assert.Contains(key[8..], Codes));
        var sentences = texts.Where(text => text.Key.StartsWith("refusal.", StringComparison.Ordinal)).Select(text => text.Value).ToList();
        Assert.Equal(sentences.Count, sentences.Distinct().Count());
    }

    /// <summary>The page itself decides, so it is asked.</summary>
    [Fact]
    public async Task Refusals_OfTheApi_HaveAWayOn()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.Page.GotoAsync("/");
        var ways = await customer.Page.EvaluateAsync<string[]>("""
            async codes => {
              const app = await import(document.querySelector('script[type=module]').src);
              return codes.map(code => app.wayOf(code));
            }
            """, Codes);
        var texts = Texts("en");
        Assert.All(ways, way => Assert.Contains($"way.{way}", texts.Keys));
        var named = Codes.Zip(ways).Where(entry => entry.Second != "again").Select(entry => entry.First).ToList();
        Assert.True(named.Count > 30, string.Join(' ', named));
    }

    private static SortedDictionary<string, string> Texts(string language) => new(Messages.Read(language).EnumerateObject()
        .ToDictionary(text => text.Name, text => text.Value.GetString()!), StringComparer.Ordinal);

    private static IEnumerable<string> Values(string text) => Value().Matches(text).Select(match => match.Value).Distinct().Order();

    [GeneratedRegex(@"\{\w+\}")]
    private static partial Regex Value();

    [GeneratedRegex(@"\bt\('([\w.]+)'")]
    private static partial Regex UsedKeys();
}
