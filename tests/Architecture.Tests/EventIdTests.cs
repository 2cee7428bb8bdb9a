using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>Event ids are unique across the product, because AllInOne logs them all from one process.</summary>
public sealed partial class EventIdTests
{
    // Each project owns a thousand ids.
    private static readonly Dictionary<string, int> Thousands = new()
    {
        ["Shared.Hosting"] = 1,
        ["Seats"] = 2,
        ["Points"] = 3,
        ["Shared.Persistence"] = 4,
        ["Queue"] = 5,
        ["DataPlatform"] = 6,
        ["Gateway"] = 7,
        ["Orchestrator"] = 8,
        ["Payments"] = 9,
        ["AllInOne"] = 10,
        ["Operations"] = 11
    };

    private static readonly List<(string Project, string File, int Id)> Messages =
        [.. Product.Projects.Where(project => !project.IsTest).SelectMany(project => Product.Code
            .Where(file => file.StartsWith(Path.GetDirectoryName(project.File) + "/", StringComparison.Ordinal))
            .SelectMany(file => Attributes().Matches(Product.Read(file))
                .Select(match => (project.Name, file, int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)))))];

    [Fact]
    public void EventIds_OfTheProduct_AreUnique()
    {
        Assert.NotEmpty(Messages);
        Rule.HasNoExceptions(Messages.GroupBy(message => message.Id).Where(group => group.Count() > 1)
            .Select(group => $"{group.Key} in {string.Join(", ", group.Select(message => message.File))}"));
    }

    [Fact]
    public void EventIds_OfAProject_LieInItsThousand() =>
        Rule.HasNoExceptions(Messages.Where(message => !Thousands.TryGetValue(message.Project, out var thousand)
            || message.Id / 1000 != thousand)
            .Select(message => $"{message.Id} in {message.File}"));

    [Fact]
    public void Messages_OfTheProduct_NameNoCustomerAndNoSecret() =>
        Rule.HasNoExceptions(Product.Code.SelectMany(file => Templates().Matches(Product.Read(file))
            .Where(match => Sensitive().IsMatch(match.Value)).Select(match => $"{file}: {match.Value}")));

    [GeneratedRegex(@"\[LoggerMessage\([^\]]*")]
    private static partial Regex Templates();

    [GeneratedRegex(@"\{@?(User|Customer|Name|Token|Pass|Secret|Key|Cookie|Header|Body|Payload|Connection)[A-Za-z]*\}")]
    private static partial Regex Sensitive();

    [GeneratedRegex(@"\[LoggerMessage\(\s*(?:EventId = )?(\d+)")]
    private static partial Regex Attributes();
}
