using System.Reflection;
using ArchUnitNET.Fluent.Slices;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore.Migrations;
using Xunit;
using ArchLoader = ArchUnitNET.Loader.ArchLoader;

namespace ConcertSaga.Architecture.Tests;

/// <summary>Checks folders, handlers and type names inside projects.</summary>
public sealed class StructureTests
{
    public static TheoryData<string> Assemblies => [.. Product.Assemblies.Select(assembly => assembly.GetName().Name!)];

    /// <summary>Folders are namespaces. Two that use each other belong together.</summary>
    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Folders_OfAProject_FormNoCircle(string assemblyName)
    {
        var assembly = Product.Assemblies.Single(assembly => assembly.GetName().Name == assemblyName);
        var architecture = new ArchLoader().LoadAssemblies(assembly).Build();
        var rule = SliceRuleDefinition.Slices().Matching($"{assemblyName}.(*)").Should().BeFreeOfCycles();
        var circles = rule.Evaluate(architecture).Where(result => !result.Passed).Select(result => $"{assemblyName}: {result.Description}");
        Rule.HasNoExceptions(circles);
    }

    /// <summary>A typed result documents the responses of a route for readers and for the API document.</summary>
    [Fact]
    public void Handlers_OfRoutes_ReturnTypedResults() =>
        Rule.HasNoExceptions(Product.Assemblies.SelectMany(assembly => assembly.GetTypes())
            .Where(type => type.Name.EndsWith("Endpoints", StringComparison.Ordinal))
            .SelectMany(type =>
                type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Where(method => ResultOf(method.ReturnType) == typeof(IResult))
            .Select(method => $"{method.DeclaringType!.FullName}.{method.Name} returns IResult"));

    [Fact]
    public void Types_OfTheProduct_HaveOneNameEach() =>
        Rule.HasNoExceptions(Product.Assemblies.SelectMany(assembly => assembly.GetTypes())
            .Where(type => !type.IsNested && type.Namespace?.StartsWith("ConcertSaga", StringComparison.Ordinal) is true
                && !type.Name.Contains('<')
                && !IsGenerated(type) && type.Name != "Program" && !type.IsSubclassOf(typeof(Migration)))
            .GroupBy(type => type.Name).Where(group => group.Select(type => type.Assembly).Distinct().Count() > 1)
            // Design-time factories and consumers of the same event share their names by design.
            .Where(group => group.Key is not ("SqliteDesign" or "PostgreSqlDesign" or "SqlServerDesign")
                && !group.Key.StartsWith("ReservationConfirmedConsumer", StringComparison.Ordinal)
                && !group.Key.StartsWith("ReservationsDeletedConsumer", StringComparison.Ordinal))
            .Select(group => $"{group.Key}: {string.Join(", ", group.Select(type => type.FullName))}"));

    [Fact]
    public void Sources_OfAProject_AreInItsFolder() =>
        Rule.HasNoExceptions(Product.Projects.SelectMany(project => project.Xml.Descendants("Compile")
            .Select(item => (string?)item.Attribute("Include"))
            .Where(include => include?.Contains("..", StringComparison.Ordinal) is true)
                .Select(include => $"{project.File} compiles {include}")));

    /// <summary>The tests of a file lie where the file lies, so that either leads to the other.</summary>
    [Fact]
    public void Tests_OfAFile_LieInItsFolder()
    {
        foreach (var project in Product.Projects.Where(project => !project.IsTest))
        {
            var root = Path.GetDirectoryName(project.File)!;
            var folders = Product.Code.Where(file => file.StartsWith($"{root}/", StringComparison.Ordinal))
                .ToLookup(file => Path.GetFileNameWithoutExtension(file) + "Tests.cs", file => FolderBelow(root, file));
            var tests = $"tests/{project.Name}.Tests";
            Rule.HasNoExceptions(Product.Code.Where(file => file.StartsWith($"{tests}/", StringComparison.Ordinal))
                .Where(file => folders[Path.GetFileName(file)] is var ours && ours.Any() && !ours.Contains(FolderBelow(tests, file)))
                .Select(file => $"{file} belongs in {tests}/{folders[Path.GetFileName(file)].First()}"));
        }
    }

    private static string FolderBelow(string root, string file) => Path.GetDirectoryName(Path.GetRelativePath(root, file))!;

    private static Type ResultOf(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() is var open && (open == typeof(Task<>) || open == typeof(ValueTask<>))
            ? type.GetGenericArguments()[0] : type;

    private static bool IsGenerated(Type type) =>
        type.GetCustomAttribute<System.Runtime.CompilerServices.CompilerGeneratedAttribute>() is not null
        || type.GetCustomAttribute<System.CodeDom.Compiler.GeneratedCodeAttribute>() is not null;
}
