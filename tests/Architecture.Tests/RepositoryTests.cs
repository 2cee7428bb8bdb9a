using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>Habits of the repository itself.</summary>
public sealed partial class RepositoryTests
{
    [Fact]
    public void Versions_AreStated_InOnePlace() =>
        Rule.HasNoExceptions(Product.Files.Where(file => Path.GetExtension(file) is ".csproj" or ".props" or ".targets" && file != "Directory.Packages.props")
            .SelectMany(file => XDocument.Load(Product.Full(file)).Descendants()
                .Where(item => item.Name.LocalName is "PackageReference" or "PackageVersion" or "GlobalPackageReference")
                .Where(item => item.Name.LocalName == "PackageVersion" || item.Attribute("Version") is not null || item.Attribute("VersionOverride") is not null || item.Elements().Any(part => part.Name.LocalName.StartsWith("Version", StringComparison.Ordinal)))
                .Select(item => $"{file}: {item}")));

    [Fact]
    public void Projects_AreAll_InTheSolution()
    {
        var solution = Product.Read("ConcertSaga.sln").Replace('\\', '/');
        Rule.HasNoExceptions(Product.Projects.Where(project => !solution.Contains($"\"{project.File}\"", StringComparison.Ordinal)).Select(project => project.File));
    }

    [Fact]
    public void Packages_WeDoWithout_AreNotReferenced()
    {
        string[] without = ["MediatR", "AutoMapper", "Mapster", "Moq"];
        Rule.HasNoExceptions(Product.Projects.SelectMany(project => project.Packages.Where(without.Contains).Select(package => $"{project.Name} references {package}")));
    }

    /// <summary>A clone works wherever it lies; only <c>.ci/run</c> may look beside it, and does without what is not there.</summary>
    [Fact]
    public void Files_Name_NoPlaceOutsideTheRepository() =>
        Rule.HasNoExceptions(Product.TextFiles.SelectMany(file => Places().Matches(Product.Read(file)).Select(match => (file, place: match.Value)))
            .Where(found => found.file != ".ci/run").Select(found => $"{found.file} names {found.place}"));

    // Written with brackets so that this file does not match itself.
    [GeneratedRegex(@"\.\./share[d]|(?<![\w.-])/wor[k]/|/tm[p]/w/|(?<![\w.-])/roo[t]/|(?<![\w.-])/hom[e]/")]
    private static partial Regex Places();
}
