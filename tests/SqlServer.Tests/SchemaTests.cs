using ConcertSaga.Shared.Hosting.Databases;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Xunit;

namespace ConcertSaga.SqlServer.Tests;

/// <summary>The schema of every owner is valid on SQL Server, and its migrations create it.</summary>
public sealed class SchemaTests
{
    public static TheoryData<string> OwnerNames => Owners.All;

    [Theory]
    [MemberData(nameof(OwnerNames))]
    public void Migrations_AsScripts_Parse(string owner)
    {
        using var context = Owners.Create(owner);
        var migrator = context.GetService<IMigrator>();
        foreach (var options in new[] { MigrationsSqlGenerationOptions.Default, MigrationsSqlGenerationOptions.Idempotent,
            MigrationsSqlGenerationOptions.NoTransactions })
        {
            var script = migrator.GenerateScript(options: options);
            Assert.NotEmpty(Sql.Parse(script).Batches);
            Assert.NotEmpty(Sql.ParseNewer(script).Batches);
        }
    }

    [Theory]
    [MemberData(nameof(OwnerNames))]
    public void Migrations_ComparedWithTheModel_AreComplete(string owner)
    {
        using var context = Owners.Create(owner);
        Assert.NotEmpty(context.Database.GetMigrations());
        Assert.False(context.Database.HasPendingModelChanges());
    }

    [Theory]
    [MemberData(nameof(OwnerNames))]
    public void Schema_AsAModel_HasNoErrors(string owner)
    {
        using var context = Owners.Create(owner, DatabaseProvider.SqlServer);
        using var model = Sql.Model(context.Database.GenerateCreateScript());
        Sql.HasNoErrors(model);
    }

    [Fact]
    public void Model_UnknownName_IsReported()
    {
        using var context = Owners.Create("Payments");
        using var model = Sql.Model(context.Database.GenerateCreateScript());
        model.AddObjects(Sql.Procedure("broken", "SELECT [Amoumt] FROM [Payments]", []));
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Sql.HasNoErrors(model));
    }
}
