using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Documented.Tests;

/// <summary>The context of the second saga.</summary>
public class ParcelStateDbContext(DbContextOptions options) : SagaDbContext(options)
{
    protected override IEnumerable<ISagaClassMap> Configurations
    {
        get { yield return new ParcelStateMap(); }
    }
}
