using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Hosting.Databases;

/// <summary>The context of a service's database, with the conventions of the product.</summary>
public abstract class ServiceDbContext : DbContext
{
    /// <summary>Configures the context.</summary>
    protected ServiceDbContext(DbContextOptions options)
        : base(options) =>
        // Transactions roll back as a whole, so a savepoint before each save would only cost a round trip.
        Database.AutoSavepointsEnabled = false;

    /// <inheritdoc />
    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder) =>
        configurationBuilder.UseProductConventions(this);
}
