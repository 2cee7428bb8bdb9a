using System.Text.RegularExpressions;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>Checks the allowed references between projects.</summary>
public sealed partial class ReferenceTests
{
    private const string Contracts = "Shared.Contracts", Concurrency = "Shared.Concurrency", Hosting = "Shared.Hosting",
        Persistence = "Shared.Persistence", Console = "OperatorConsole";

    [Fact]
    public void Services_Reference_OnlySharedProjects()
    {
        Only(Product.Projects.Where(project => project.IsService && project.Name != "Operations"), Concurrency, Contracts, Hosting);
        // Operations hosts the console, which knows no service.
        Only(Product.Projects.Where(project => project.Name == "Operations"), Concurrency, Contracts, Hosting, Console);
    }

    [Fact]
    public void Console_References_NoService() => Only(Product.Projects.Where(project => project.Name == Console), Contracts, Hosting);

    [Fact]
    public void Gateway_References_NoService() =>
        Only(Product.Projects.Where(project => project.Name == "Gateway"), Contracts, Hosting, "Storefront");

    [Fact]
    public void Storefront_References_NoProject() => Only(Product.Projects.Where(project => project.Name == "Storefront"));

    [Fact]
    public void Orchestrator_References_NoService() =>
        Only(Product.Projects.Where(project => project.Name == "Orchestrator"), Contracts, Hosting, Persistence);

    [Fact]
    public void Hosting_References_OnlyContractsAndConcurrency() =>
        Only(Product.Projects.Where(project => project.Name == Hosting), Contracts, Concurrency);

    [Fact]
    public void Concurrency_References_NoProject() => Only(Product.Projects.Where(project => project.Name == Concurrency));

    [Fact]
    public void Contracts_Reference_Nothing()
    {
        var contracts = Product.Projects.Single(project => project.Name == Contracts);
        Rule.HasNoExceptions(contracts.References);
        Rule.HasNoExceptions(contracts.Packages);
    }

    [Fact]
    public void Persistence_Knows_NothingOfConcerts()
    {
        Only(Product.Projects.Where(project => project.Name == Persistence), Concurrency);
        Rule.HasNoExceptions(Product.Code.Where(file => file.StartsWith($"{Persistence}/", StringComparison.Ordinal))
            .SelectMany(file => BusinessWords().Matches(Product.Read(file)).Select(match => $"{file} says '{match.Value}'")));
    }

    [Fact]
    public void Outbox_IsUsed_OnlyByTheOrchestrator() =>
        Rule.HasNoExceptions(Product.Code
            .Where(file => file.StartsWith("Services/", StringComparison.Ordinal) || file.StartsWith("Gateway/", StringComparison.Ordinal))
            .SelectMany(file => OutboxWords().Matches(Product.Read(file)).Select(match => $"{file} says '{match.Value}'")));

    [Fact]
    public void Assemblies_OfServices_ReferenceNoOtherService()
    {
        var services = Product.Projects.Where(project => project.IsService || project.Name is "Orchestrator" or "Gateway")
            .Select(project => $"ConcertSaga.{project.Name}").ToHashSet();
        Rule.HasNoExceptions(Product.Assemblies.Where(assembly => services.Contains(assembly.GetName().Name!))
            .SelectMany(assembly => assembly.GetReferencedAssemblies().Where(other => services.Contains(other.Name!))
                .Select(other => $"{assembly.GetName().Name} uses {other.Name}")));
    }

    private static void Only(IEnumerable<Project> projects, params string[] allowed) =>
        Rule.HasNoExceptions(projects.SelectMany(project => project.References.Except(allowed)
            .Select(other => $"{project.Name} references {other}")));

    [GeneratedRegex(@"\b(seat|reservation|payment|concert|ticket)s?\b", RegexOptions.IgnoreCase)]
    private static partial Regex BusinessWords();

    [GeneratedRegex(
        @"\w*(EntityFrameworkOutbox|BusOutbox|OutboxMessage|OutboxState|InboxState|TransactionalOutbox)\w*|Shared\.Persistence")]
    private static partial Regex OutboxWords();
}
