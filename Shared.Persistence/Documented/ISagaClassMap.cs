using Microsoft.EntityFrameworkCore;

namespace MassTransit.EntityFrameworkCoreIntegration;

/// <summary>Maps the sagas of one type.</summary>
public interface ISagaClassMap
{
    /// <summary>Adds the mapping to a model.</summary>
    void Configure(ModelBuilder model);
}
