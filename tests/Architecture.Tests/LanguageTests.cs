using System.Text.RegularExpressions;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>Comments, texts and documents are plain English, and use the words of the glossary.</summary>
public sealed partial class LanguageTests
{
    private const string Itself = "tests/Architecture.Tests/LanguageTests.cs";

    // Each phrase was found in this repository, and each has a plainer one.
    private static readonly (string Pattern, string Instead)[] Phrases =
    [
        (@"(whoever|somebody|anybody|everybody)", "the customer, the operator, the caller, or the component's name"),
        (@"(nobody)", "\"no customer\", \"no caller\", or the component that does not"),
        (@"(is|be|are|was|were|being|gets?|got) let in|let(s|ting)? (people|nobody|somebody|customers) in", "admit"),
        (@"(is|are|was|were|be|been|being) told|told (of|about)", "is notified, receives"),
        (@"sen[dt]s? again|sending again", "resend"),
        (@"tried again|trying again|is tried", "retried"),
        (@"hear[sd]? (of|nothing)", "receives, learns"),
        (@"(token|key|it|that|which) is none", "is invalid"),
        (@"the outside", "the data platform, an external client"),
        (@"left alone", "unchanged, idle"),
        (@"under way", "in progress, running"),
        (@"(came|became|comes|become|becomes) of (it|them|that|a|the)", "the outcome of"),
        (@"for nothing", "unnecessarily"),
        (@"anew", "again, from the start"),
        (@"for good", "indefinitely, permanently"),
        (@"(the inlet|at the till|at the door|over and done|hangs in)", "the plain word"),
        (@"the present (instant|state|step|transaction|one|time)", "the current"),
        (@"all the same[,.;]", "nevertheless"),
        (@"every now and then", "periodically"),
        (@"so many (seconds|times|rows|bytes|failures)", "the number"),
        (@"of no use", "useless, or say what happens"),
        (@"(such|this|that|a|the|one) date (is|was|has|can|cannot|of a|of the)", "schedule"),
        (@"letting in", "admission")
    ];

    private static readonly Regex Banned = new(
        string.Join('|', Phrases.Select((phrase, index) => $@"(?<p{index}>\b(?:{phrase.Pattern})(?!\w))")),
        RegexOptions.IgnoreCase | RegexOptions.Compiled | RegexOptions.ExplicitCapture);

    [Fact]
    public void Texts_OfCodeAndDocuments_AvoidBannedPhrases() =>
        Rule.HasNoExceptions(Product.Code.Where(file => file != Itself).Concat(Product.Documents)
            .Concat(Product.TextFiles.Where(file => Path.GetExtension(file) is ".sh" or ".json" or ".csv" or ".razor"))
            .SelectMany(file => File.ReadLines(Product.Full(file)).Index()
                .SelectMany(line => Banned.Matches(line.Item)
                    .Select(match => $"{file}:{line.Index + 1}: \"{match.Value}\"; better: {InsteadOf(match)}"))));

    [Fact]
    public void Identifiers_OfLimits_SayMaxOrMin() =>
        Rule.HasNoExceptions(Product.Code.Where(file => file != Itself)
            .SelectMany(file => Superlatives().Matches(Product.Read(file)).Select(match => $"{file}: {match.Value}")));

    private static string InsteadOf(Match match) =>
        Phrases[Enumerable.Range(0, Phrases.Length).First(index => match.Groups[$"p{index}"].Success)].Instead;

    [GeneratedRegex(@"\b(?:Most|Least|Longest|Shortest)[A-Z]\w*")]
    private static partial Regex Superlatives();
}
