using Microsoft.EntityFrameworkCore;
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
