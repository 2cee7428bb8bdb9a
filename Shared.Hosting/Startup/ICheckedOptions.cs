namespace ConcertSaga.Shared.Hosting;

/// <summary>
/// Options with rules that no attribute can express, such as values that depend on each other. The check runs after every value has passed
/// its own attributes.
/// </summary>
public interface ICheckedOptions
{
    /// <summary>Throws a <see cref="StartupException"/> that names the key, its value and the allowed values in one line.</summary>
    void Check();
}
