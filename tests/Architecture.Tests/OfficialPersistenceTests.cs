using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertSaga.Testing;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>
/// <c>OfficialPersistence=true</c> uses the package that Shared.Persistence replaces. The package may be missing on the feed of this
/// machine, so these tests check what would be restored and compiled.
/// </summary>
public sealed partial class OfficialPersistenceTests
{
    private const string Ours = "Shared.Persistence", Official = "MassTransit.EntityFrameworkCore", Constant = "OFFICIAL_PERSISTENCE";

    // The only file of the product that depends on which of the two persists.
    private const string VariantFile = "Orchestrator/PersistenceVariant.cs";

    public static TheoryData<string> Users =>
        [.. Product.Projects.Where(project => project.References.Contains(Ours)).Select(project => project.File)];

    [Theory]
    [MemberData(nameof(Users))]
    public async Task Project_BuiltWithTheOfficialPackage_ReferencesItInsteadOfOurs(string project)
    {
        var (packages, references, constants) = await EvaluateAsync(project, official: true);
        Assert.Contains(Official, packages);
        Assert.DoesNotContain(Ours, references);
        Assert.Contains(Constant, constants.Split(';'));

        (packages, references, constants) = await EvaluateAsync(project, official: false);
        Assert.DoesNotContain(Official, packages);
        Assert.Contains(Ours, references);
        Assert.DoesNotContain(Constant, constants.Split(';'));
    }

    [Fact]
    public void Package_IsPinned_AtMassTransitsVersion()
    {
        var versions = Regex.Matches(Product.Read("Directory.Packages.props"),
            """<PackageVersion Include="(MassTransit[\w.]*)" Version="([^"]+)" />""")
            .ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value);
        Assert.Equal(versions["MassTransit"], versions[Official]);
    }

    [Fact]
    public void Code_ThatDependsOnTheVariant_IsInOneFile()
    {
        var product = Product.Code.Where(file => !file.StartsWith("tests/", StringComparison.Ordinal)
            && !file.StartsWith("benchmarks/", StringComparison.Ordinal)
            && !file.StartsWith($"{Ours}/", StringComparison.Ordinal)).ToList();
        Assert.Equal([VariantFile], product.Where(file => Product.Read(file).Contains(Constant, StringComparison.Ordinal)));
        Rule.HasNoExceptions(product.SelectMany(file => OurNames().Matches(WithoutOurs().Replace(Product.Read(file), ""))
            .Select(match => $"{file} uses '{match.Value}' outside #if !{Constant}")));
    }

    /// <summary>The constant selects whole declarations, because a directive inside one leaves two versions of it to read.</summary>
    [Fact]
    public void Directives_OfTheVariantFile_AreOutsideDeclarations() =>
        Assert.All(Directives().Matches(Product.Read(VariantFile)), directive => Assert.Equal(0,
            Depth(Product.Read(VariantFile)[..directive.Index])));

    private static async Task<(IReadOnlyList<string> Packages, IReadOnlyList<string> References,
        string Constants)> EvaluateAsync(string project, bool official)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
            ["msbuild", Product.Full(project), "-getItem:PackageReference", "-getItem:ProjectReference", "-getProperty:DefineConstants",
                $"-p:OfficialPersistence={(official ? "true" : "false")}"])
        {
            RedirectStandardOutput = true,
            WorkingDirectory = Repository.Root
        };
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, output);
        using var found = JsonDocument.Parse(output);
        var items = found.RootElement.GetProperty("Items");
        return (Names("PackageReference", "Identity"), Names("ProjectReference", "Filename"),
            found.RootElement.GetProperty("Properties").GetProperty("DefineConstants").GetString()!);

        List<string> Names(string item, string metadata) =>
            [.. items.GetProperty(item).EnumerateArray().Select(item => item.GetProperty(metadata).GetString()!)];
    }

    private static int Depth(string code) => code.Count(letter => letter == '{') - code.Count(letter => letter == '}');

    [GeneratedRegex(@"DeliveredRetention|OutboxBacklog|ConcertSaga\.Shared\.Persistence")]
    private static partial Regex OurNames();

    [GeneratedRegex(@"^#if !OFFICIAL_PERSISTENCE\r?\n.*?^#endif", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex WithoutOurs();

    [GeneratedRegex("^ *#", RegexOptions.Multiline)]
    private static partial Regex Directives();
}
