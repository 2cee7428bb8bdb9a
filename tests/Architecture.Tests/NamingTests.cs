using System.Text.RegularExpressions;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>Checks names, and the size of programs.</summary>
public sealed partial class NamingTests
{
    [Fact]
    public void Types_OfTheRepository_HaveNoEmptyNames() =>
        Rule.HasNoExceptions(Product.Code.SelectMany(file => TypeNames().Matches(Product.Read(file))
            .Select(match => (file, name: match.Groups[1].Value)))
            .Concat(Product.Code.Select(file => (file, name: Path.GetFileNameWithoutExtension(file))))
            .Where(type => EmptyWords().IsMatch(type.name)).Select(type => $"{type.name} in {type.file}"));

    [Fact]
    public void Tests_AreNamed_SubjectConditionOutcome() =>
        Rule.HasNoExceptions(Product.Code.Where(file => file.StartsWith("tests/", StringComparison.Ordinal))
            .SelectMany(file => TestNames().Matches(Product.Read(file)).Select(match => (file, name: match.Groups[1].Value)))
            .Where(test => !ThreeParts().IsMatch(test.name)).Select(test => $"{test.name} in {test.file}"));

    [Fact]
    public void Interfaces_WithOneImplementation_DoNotExist()
    {
        var types = Product.Assemblies.SelectMany(assembly => assembly.GetTypes()).ToList();
        // Shared.Persistence implements documented interfaces of MassTransit in its namespaces, so either can replace the other.
        Rule.HasNoExceptions(types.Where(type => type.IsInterface
            && type.Namespace?.StartsWith("MassTransit", StringComparison.Ordinal) != true)
            .Where(type => types.Count(other => other is { IsClass: true, IsAbstract: false } && Implements(other, type)) == 1)
            .Select(type => $"{type.FullName} has one implementation: use that."));

        static bool Implements(Type type, Type contract) =>
            type.GetInterfaces().Any(other => other == contract || (other.IsGenericType && other.GetGenericTypeDefinition() == contract));
    }

    [Fact]
    public void Programs_OfTheProduct_AreShort() =>
        Rule.HasNoExceptions(Product.Code.Where(file => Path.GetFileName(file) == "Program.cs"
            && !file.StartsWith("tests/", StringComparison.Ordinal)
                && !file.StartsWith("benchmarks/", StringComparison.Ordinal))
            .Select(file => (file, lines: File.ReadLines(Product.Full(file)).Count())).Where(program => program.lines > 20)
            .Select(program => $"{program.file} has {program.lines} lines; allowed: 20"));

    [Fact]
    public void Services_OfTheProduct_HaveTheSameFiles() =>
        Rule.HasNoExceptions(Product.Projects.Where(project => project.IsService || project.Name == "Orchestrator")
            .SelectMany(project => new[] { "Program.cs",
                $"{project.Name}Service.cs" }.Select(file => $"{Path.GetDirectoryName(project.File)}/{file}"))
            .Except(Product.Files).Select(file => $"{file} is missing"));

    [GeneratedRegex(@"^[^/\n]*\b(?:class|record struct|record|struct|interface|enum)\s+([A-Z]\w*)", RegexOptions.Multiline)]
    private static partial Regex TypeNames();

    // "Base" counts only as a separate word, so Database is allowed.
    [GeneratedRegex("Manager|Helper|Utils|Utilities|Base(?![a-z])")]
    private static partial Regex EmptyWords();

    [GeneratedRegex(@"\[(?:Fact|Theory)\b[\s\S]*?\bpublic\s+(?:static\s+)?(?:async\s+)?[\w<>]+\s+(\w+)\s*\(")]
    private static partial Regex TestNames();

    [GeneratedRegex("^[A-Z][A-Za-z0-9]*(_[A-Z0-9][A-Za-z0-9]*){2}$")]
    private static partial Regex ThreeParts();
}
