using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertSaga.Testing;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>
/// <c>OfficialPersistence=true</c> takes the package that Shared.Persistence stands in for. The package may not be on the feed of the machine
/// that builds, so this looks at what would be restored and compiled.
/// </summary>
public sealed partial class OfficialPersistenceTests
{
    private const string Ours = "Shared.Persistence", Official = "MassTransit.EntityFrameworkCore", Constant = "OFFICIAL_PERSISTENCE";

    // What the package does not have, and the one file of the product that uses it.
    private static readonly Dictionary<string, string> OnlyOurs = new()
    {
        ["SqliteWriterGate"] = "Shared.Hosting/Databases/DatabaseRegistration.cs",
        ["DeliveredRetention"] = "Orchestrator/OrchestratorService.cs"
    };

    public static TheoryData<string> Users => [.. Product.Projects.Where(project => project.References.Contains(Ours)).Select(project => project.File)];

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
        var versions = Regex.Matches(Product.Read("Directory.Packages.props"), """<PackageVersion Include="(MassTransit[\w.]*)" Version="([^"]+)" />""")
            .ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value);
        Assert.Equal(versions["MassTransit"], versions[Official]);
    }

    [Fact]
    public void Code_ThatNeedsOurs_StandsInOnePlaceBehindTheConstant()
    {
        var product = Product.Code.Where(file => !file.StartsWith("tests/", StringComparison.Ordinal) && !file.StartsWith("benchmarks/", StringComparison.Ordinal)
            && !file.StartsWith($"{Ours}/", StringComparison.Ordinal)).ToList();
        foreach (var (name, place) in OnlyOurs)
            Assert.Equal([place], product.Where(file => Product.Read(file).Contains(name, StringComparison.Ordinal)));
        Rule.HasNoExceptions(product.SelectMany(file => OurNames().Matches(WithoutOurs().Replace(Product.Read(file), ""))
            .Select(match => $"{file} says '{match.Value}' outside #if !{Constant}")));
    }

    private static async Task<(IReadOnlyList<string> Packages, IReadOnlyList<string> References, string Constants)> EvaluateAsync(string project, bool official)
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

        List<string> Names(string item, string metadata) => [.. items.GetProperty(item).EnumerateArray().Select(one => one.GetProperty(metadata).GetString()!)];
    }

    [GeneratedRegex(@"SqliteWriterGate|DeliveredRetention|ConcertSaga\.Shared\.Persistence")]
    private static partial Regex OurNames();

    [GeneratedRegex(@"^#if !OFFICIAL_PERSISTENCE\r?\n.*?^#endif", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex WithoutOurs();
}
