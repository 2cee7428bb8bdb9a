using System.Text.RegularExpressions;
using ConcertSaga.OperatorConsole.Texts;
using ConcertSaga.Testing;
using Xunit;

namespace ConcertSaga.Operations.Tests.Console;

public sealed partial class TextCatalogTests
{
    private static readonly TextCatalog English = TextCatalog.Of("en"), Korean = TextCatalog.Of("ko");

    [Fact]
    public void Keys_OfBothLanguages_AreEqual() => Assert.Equal(English.Keys.Order(), Korean.Keys.Order());

    [Fact]
    public void Texts_OfBothLanguages_HaveTheSameParameters() => Assert.All(English.Keys, key =>
        Assert.Equal(ParametersOf(English[key]), ParametersOf(Korean[key])));

    [Fact]
    public void Keys_OfThePages_HaveTexts()
    {
        var used = Directory.EnumerateFiles(Path.Combine(Repository.Root, "Web/Console"), "*.razor", SearchOption.AllDirectories)
            .SelectMany(file => Used().Matches(File.ReadAllText(file)).Select(match => match.Groups[1].Value)).Distinct().ToList();

        Assert.True(used.Count > 100);
        Assert.Empty(used.Except(English.Keys));
    }

    private static string[] ParametersOf(string text) => [.. Parameter().Matches(text).Select(match => match.Value).Order()];

    [GeneratedRegex(@"\bT\[""([^""{]+)""")]
    private static partial Regex Used();

    [GeneratedRegex(@"\{\d\}")]
    private static partial Regex Parameter();
}
