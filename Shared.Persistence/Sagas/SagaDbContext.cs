using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// A context of sagas. A saga's <c>byte[]</c> property that is mapped with <c>IsRowVersion()</c> guards against concurrent changes on every
/// server: SQL Server makes its values itself, for the others the saga repository does.
/// </summary>
/// <param name="options">The context's options.</param>
public abstract class SagaDbContext(DbContextOptions options) : DbContext(options)
{
    /// <summary>The sagas in this context.</summary>
    protected abstract IEnumerable<ISagaClassMap> Configurations { get; }

    /// <inheritdoc />
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        base.OnModelCreating(modelBuilder);
        foreach (var configuration in Configurations)
            configuration.Configure(modelBuilder);
        if (!Database.ProviderName!.EndsWith("SqlServer", StringComparison.Ordinal))
            RowVersions.TakeOver(modelBuilder.Model);
    }
}
