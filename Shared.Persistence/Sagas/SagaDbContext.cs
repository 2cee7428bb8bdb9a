using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>How the sagas of one type are mapped.</summary>
public interface ISagaClassMap
{
    /// <summary>Adds the saga to a model.</summary>
    void Configure(ModelBuilder model);
}

/// <summary>Maps the sagas of one type; their correlation id is the key, and is never made by the database.</summary>
/// <typeparam name="TSaga">The saga.</typeparam>
public abstract class SagaClassMap<TSaga> : ISagaClassMap
    where TSaga : class, ISaga
{
    /// <inheritdoc />
    public virtual void Configure(ModelBuilder model)
    {
        var entity = model.Entity<TSaga>();
        entity.HasKey(saga => saga.CorrelationId);
        entity.Property(saga => saga.CorrelationId).ValueGeneratedNever();
        Configure(entity, model);
    }

    /// <summary>Maps what is the saga's own.</summary>
    /// <param name="entity">The saga's mapping.</param>
    /// <param name="model">The whole model, for what else the saga needs.</param>
    protected virtual void Configure(EntityTypeBuilder<TSaga> entity, ModelBuilder model)
    {
    }
}

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

/// <summary>Row versions on servers that make none.</summary>
internal static class RowVersions
{
    private const string Ours = "MassTransit:RowVersion";

    public static void TakeOver(IMutableModel model)
    {
        foreach (var property in model.GetEntityTypes().Where(type => typeof(ISaga).IsAssignableFrom(type.ClrType)).SelectMany(type => type.GetProperties())
            .Where(property => property is { IsConcurrencyToken: true, ValueGenerated: ValueGenerated.OnAddOrUpdate } && property.ClrType == typeof(byte[])))
        {
            property.ValueGenerated = ValueGenerated.Never;
            property.SetAnnotation(Ours, true);
        }
    }

    /// <summary>Gives a saga that is new or changed its next version.</summary>
    public static void Advance(EntityEntry saga)
    {
        foreach (var property in saga.Metadata.GetProperties())
        {
            if (property.FindAnnotation(Ours) is not null && saga.State is EntityState.Added or EntityState.Modified)
                saga.Property(property).CurrentValue = RandomNumberGenerator.GetBytes(8);
        }
    }
}
