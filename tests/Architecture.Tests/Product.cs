using System.Reflection;
using System.Xml.Linq;
using ConcertSaga.Testing;

namespace ConcertSaga.Architecture.Tests;

/// <summary>
/// Finds the projects, files and types of this checkout for the rules, so no list can miss one.
/// </summary>
internal static class Product
{
    private static readonly string[] NotSource =
        ["bin", "obj", ".git", ".vs", ".idea", ".data", "artifacts", "TestResults", "BenchmarkDotNet.Artifacts"];

    private static readonly string[] Binary = [".png", ".ico", ".gif", ".jpg", ".pdf", ".db", ".nupkg"];

    /// <summary>All files that belong to the repository, with their paths below its root.</summary>
    public static IReadOnlyList<string> Files { get; } =
        [.. Enumerate(Repository.Root).Select(file => Path.GetRelativePath(Repository.Root, file)).Order()];

    /// <summary>C# files except migrations, which a tool generates.</summary>
    public static IReadOnlyList<string> Code { get; } =
        [.. Files.Where(file => file.EndsWith(".cs", StringComparison.Ordinal)
            && !file.Contains("/Migrations/", StringComparison.Ordinal))];

    /// <summary>The Markdown documents.</summary>
    public static IReadOnlyList<string> Documents { get; } = [.. Files.Where(file => file.EndsWith(".md", StringComparison.Ordinal))];

    public static IReadOnlyList<Project> Projects { get; } =
        [.. Files.Where(file => file.EndsWith(".csproj", StringComparison.Ordinal))
            .Select(file => new Project(file, XDocument.Load(Full(file))))];

    /// <summary>The assemblies of the product, without tests.</summary>
    public static IReadOnlyList<Assembly> Assemblies { get; } =
        [.. Projects.Where(project => !project.IsTest)
            .Select(project => Path.Combine(AppContext.BaseDirectory, $"ConcertSaga.{project.Name}.dll"))
            .Where(File.Exists).Select(Assembly.LoadFrom)];

    public static IEnumerable<string> TextFiles => Files.Where(file => !Binary.Contains(Path.GetExtension(file)));

    public static string Full(string file) => Path.Combine(Repository.Root, file);

    public static string Read(string file) => File.ReadAllText(Full(file));

    private static IEnumerable<string> Enumerate(string folder) =>
        Directory.EnumerateFiles(folder)
            // In a git worktree, .git is a file.
            .Where(file => Path.GetFileName(file) != ".git")
            .Concat(Directory.EnumerateDirectories(folder).Where(sub => !NotSource.Contains(Path.GetFileName(sub))).SelectMany(Enumerate));
}

/// <summary>A project file.</summary>
internal sealed record Project(string File, XDocument Xml)
{
    public string Name => Path.GetFileNameWithoutExtension(File);

    public bool IsTest => File.StartsWith("tests/", StringComparison.Ordinal) || File.StartsWith("benchmarks/", StringComparison.Ordinal);

    public bool IsService => File.StartsWith("Services/", StringComparison.Ordinal);

    public IReadOnlyList<string> Packages => Named("PackageReference");

    public IReadOnlyList<string> References =>
        [.. Named("ProjectReference").Select(path => Path.GetFileNameWithoutExtension(path.Replace('\\', '/')))];

    private string[] Named(string element) =>
        [.. Xml.Descendants(element).Select(item => (string?)item.Attribute("Include")).OfType<string>()];
}
