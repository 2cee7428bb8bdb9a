using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>
/// Maps sagas by their class maps. A <c>byte[]</c> property mapped with <c>IsRowVersion()</c> detects concurrent changes on every server:
/// SQL Server generates its values, and the saga repository does so elsewhere.
/// </summary>
/// <param name="options">The context's options.</param>
public abstract class SagaDbContext(DbContextOptions options) : DbContext(options)
{
    /// <summary>The class maps of the sagas in this context.</summary>
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
