using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>Checks versions, packages and paths of the repository.</summary>
public sealed partial class RepositoryTests
{
    [Fact]
    public void Versions_AreStated_InOnePlace() =>
        Rule.HasNoExceptions(Product.Files.Where(file => Path.GetExtension(file) is ".csproj" or ".props" or ".targets"
            && file != "Directory.Packages.props")
            .SelectMany(file => XDocument.Load(Product.Full(file)).Descendants()
                .Where(item => item.Name.LocalName is "PackageReference" or "PackageVersion" or "GlobalPackageReference")
                .Where(item => item.Name.LocalName == "PackageVersion" || item.Attribute("Version") is not null
                    || item.Attribute("VersionOverride") is not null
                    || item.Elements().Any(part => part.Name.LocalName.StartsWith("Version", StringComparison.Ordinal)))
                .Select(item => $"{file}: {item}")));

    [Fact]
    public void Projects_AreAll_InTheSolution()
    {
        var solution = Product.Read("ConcertSaga.sln").Replace('\\', '/');
        Rule.HasNoExceptions(Product.Projects.Where(project => !solution.Contains($"\"{project.File}\"", StringComparison.Ordinal))
            .Select(project => project.File));
    }

    [Fact]
    public void Packages_Unwanted_AreNotReferenced()
    {
        string[] without = ["MediatR", "AutoMapper", "Mapster", "Moq"];
        Rule.HasNoExceptions(Product.Projects.SelectMany(project => project.Packages.Where(without.Contains)
            .Select(package => $"{project.Name} references {package}")));
    }

    /// <summary>A clone works in any folder. Only <c>.ci/run</c> may use files outside it, if they exist.</summary>
    [Fact]
    public void Files_Name_NoPlaceOutsideTheRepository() =>
        Rule.HasNoExceptions(Product.TextFiles.SelectMany(file => Places().Matches(Product.Read(file))
            .Select(match => (file, place: match.Value)))
            .Where(found => found.file != ".ci/run").Select(found => $"{found.file} names {found.place}"));

    [Fact]
    public void Abuses_OfTheSecurityPage_HaveTests()
    {
        var tests = Product.Code.Where(file => file.StartsWith("tests/", StringComparison.Ordinal))
            .GroupBy(file => Path.GetFileNameWithoutExtension(file)).ToDictionary(files => files.Key, files => files.Select(Product.Read));
        var rows = Product.Read("docs/security.md").Split('\n').SkipWhile(line => line != "| abuse | answer | tests |").Skip(2)
            .TakeWhile(line => line.StartsWith('|')).ToList();

        Assert.NotEmpty(rows);
        Rule.HasNoExceptions(rows.Where(row => !TestNames().IsMatch(row)).Concat(rows.SelectMany(row => TestNames().Matches(row))
            .Where(name => !tests.GetValueOrDefault(name.Groups[1].Value, [])
                .Any(code => code.Contains($" {name.Groups[2].Value}(", StringComparison.Ordinal)))
            .Select(name => name.Value)));
    }

    /// <summary>test.sh runs the two parts as two programs. A class without a part would run in both.</summary>
    [Fact]
    public void Classes_OfTheEndToEndTests_HaveAPart() =>
        Rule.HasNoExceptions(Product.Code.Where(file => file.StartsWith("tests/EndToEnd.Tests/", StringComparison.Ordinal)
            && file.EndsWith("Tests.cs", StringComparison.Ordinal)
            && Parts().Count(Product.Read(file)) != 1));

    [GeneratedRegex("""^\[Trait\("Part", "(?:Sale|Faults)"\)\]\r?$""", RegexOptions.Multiline)]
    private static partial Regex Parts();

    [GeneratedRegex("`([A-Za-z]+Tests)[.]([A-Za-z0-9_]+)`")]
    private static partial Regex TestNames();

    // Written with brackets so that this file does not match itself.
    [GeneratedRegex(@"\.\./share[d]|(?<![\w.-])/wor[k]/|/tm[p]/w/|(?<![\w.-])/roo[t]/|(?<![\w.-])/hom[e]/")]
    private static partial Regex Places();
}
