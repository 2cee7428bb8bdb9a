using System.Reflection;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;
using Xunit;

namespace ConcertSaga.Architecture.Tests;

/// <summary>Migrations are complete for every model and database server.</summary>
public sealed class MigrationTests
{
    private static readonly string[] Servers = ["Sqlite", "PostgreSql", "SqlServer"];

    public static TheoryData<string> Contexts => [.. Types.Where(type => !type.IsAbstract).Select(type => type.FullName!).Order()];

    // The base contexts of Shared.Persistence have no tables.
    private static IEnumerable<Type> Types =>
        Product.Assemblies.Where(assembly => assembly.GetName().Name != "ConcertSaga.Shared.Persistence")
        .SelectMany(assembly => assembly.GetTypes()).Where(type => type.IsSubclassOf(typeof(DbContext)));

    [Theory]
    [MemberData(nameof(Contexts))]
    public void Model_ComparedWithItsMigrations_HasNoChanges(string contextName)
    {
        using var context = Create(Types.Single(type => type.FullName == contextName));
        Assert.NotEmpty(context.Database.GetMigrations());
        Assert.False(context.Database.HasPendingModelChanges(),
            $"{contextName} has changes without a migration; add one with eng/add-migration.sh OWNER NAME.");
    }

    [Fact]
    public void Owners_HaveOneContext_PerServer() =>
        // ServiceDbContext, in Shared.Hosting, is the parent of the owners' contexts.
        Rule.HasNoExceptions(Types.Where(type => type.IsAbstract && type.Assembly.GetName().Name != "ConcertSaga.Shared.Hosting")
            .SelectMany(owner => Servers.Select(server => server + owner.Name)
                .Except(Types.Where(type => type.BaseType == owner).Select(type => type.Name))
                .Select(missing => $"{owner.Assembly.GetName().Name} has no {missing}")));

    // Creates the context as the migration tool does.
    private static DbContext Create(Type context)
    {
        var wanted = typeof(IDesignTimeDbContextFactory<>).MakeGenericType(context);
        var factory = context.Assembly.GetTypes().SingleOrDefault(type => !type.IsAbstract && wanted.IsAssignableFrom(type));
        Assert.True(factory is not null, $"{context.FullName} has no design-time factory, so the migration tool cannot create it.");
        return (DbContext)wanted.GetMethod("CreateDbContext")!.Invoke(
            Activator.CreateInstance(factory, BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic, null, null, null),
            [Array.Empty<string>()])!;
    }
}
